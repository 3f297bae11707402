//! The `stockade` command; see [`stockade::cli`].

/// Orders are made by one thread and freed by another; see the dependency's reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    stockade::cli::main()
}
