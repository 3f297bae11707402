#[path = "support/naive_book/mod.rs"]
mod naive_book;
#[test]
fn x() {
    let _ = naive_book::NaiveBook::<u64>::new(Default::default());
}
