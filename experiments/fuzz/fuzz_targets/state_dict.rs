//! Bytes of a PyTorch state dict → layers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use torch_weights::{Module, WeightsError, read, write};
use vangrad_fuzz::within;

/// Messages.
const BASE: usize = 64 << 10;
/// Bytes held for each of the file: two of F16 become eight, twice while a matrix is transposed; a
/// header's tensor of sixty bytes takes a few hundred in maps, once as it is parsed and once as it
/// is found.
const PER_BYTE: usize = 64;

fn read_within(bytes: &[u8], module: Option<&str>) -> Result<Module, WeightsError> {
    let allowed = BASE + PER_BYTE * bytes.len();
    within(|| read(bytes, module), |_| allowed)
}

fuzz_target!(|bytes: &[u8]| {
    // Where there are several modules, each can be asked for by its name.
    let names: Vec<Option<String>> = match read_within(bytes, None) {
        Ok(module) => vec![Some(module.name)],
        Err(WeightsError::SeveralModules { modules }) => {
            let name = |described: &String| described.split(" (").next().map(str::to_owned);
            modules.iter().take(4).map(name).collect()
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            Vec::new()
        }
    };
    for name in names.into_iter().chain([None]) {
        let Ok(module) = read_within(bytes, name.as_deref()) else {
            continue;
        };
        let is_finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        for layer in &module.layers {
            assert!(is_finite(layer.weight_ih.as_slice()));
            assert!(is_finite(layer.weight_hh.as_slice()));
            assert!(is_finite(layer.bias.as_slice()));
            assert_eq!(layer.hidden(), module.hidden());
        }
        let written = write(&module.name, &module.layers);
        let again = read(&written, None).expect("what was written is read");
        assert_eq!(again.layers, module.layers);
        assert_eq!((again.name, again.kind), (module.name, module.kind));
    }
});
