// What every target is made of; included, because a file of targets is a crate of its own.

#[allow(dead_code)] // each target uses one reader
#[path = "../../mutate.rs"]
mod mutate;
#[allow(dead_code)]
#[path = "../../readers.rs"]
mod readers;
#[allow(dead_code)]
#[path = "../../words.rs"]
mod words;

macro_rules! target {
    ($reader:ident) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            static READER: std::sync::LazyLock<readers::Reader> = std::sync::LazyLock::new(readers::$reader);
            (READER.read)(bytes);
        });
    };
}
