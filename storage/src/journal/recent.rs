//! A few things kept open, the ones used last.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Keeps the values of the numbers asked for last.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    max: usize,
    items: Mutex<VecDeque<(u64, T)>>,
}

impl<T: Clone> Recent<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, items: Mutex::new(VecDeque::with_capacity(max)) }
    }

    /// The value of a number, opened unless it is at hand. Nothing is held while it is opened.
    pub(crate) fn get<E>(&self, number: u64, open: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        {
            let mut items = self.items.lock();
            if let Some(place) = items.iter().position(|(other, _)| *other == number)
                && let Some(item) = items.remove(place)
            {
                let value = item.1.clone();
                items.push_front(item);
                return Ok(value);
            }
        }
        let value = open()?;
        let mut items = self.items.lock();
        if items.len() == self.max {
            items.pop_back();
        }
        items.push_front((number, value.clone()));
        Ok(value)
    }

    /// Forgets a number: its file is another one now.
    pub(crate) fn forget(&self, number: u64) {
        self.items.lock().retain(|(other, _)| *other != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let recent = Recent::new(2);
        let mut opened = Vec::new();
        for number in [1, 2, 1, 3, 1, 2] {
            recent
                .get(number, || {
                    opened.push(number);
                    Ok::<_, ()>(number)
                })
                .unwrap();
        }
        assert_eq!(opened, [1, 2, 3, 2]);
        recent.forget(1);
        assert_eq!(recent.get(1, || Err(())), Err(()));
    }
}
