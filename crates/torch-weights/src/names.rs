//! Names of tensors: which module, which layer, which part.

use std::collections::BTreeSet;

/// The part of a layer that a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    WeightIh,
    WeightHh,
    BiasIh,
    BiasHh,
    /// The projection of an LSTM with `proj_size`.
    WeightHr,
}

impl Part {
    const ALL: [(&'static str, Part); 5] = [
        ("weight_ih", Part::WeightIh),
        ("weight_hh", Part::WeightHh),
        ("bias_ih", Part::BiasIh),
        ("bias_hh", Part::BiasHh),
        ("weight_hr", Part::WeightHr),
    ];

    /// `weight_ih`.
    pub fn name(self) -> &'static str {
        Part::ALL[self as usize].0
    }
}

/// What the last component of a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub part: Part,
    pub layer: usize,
    pub is_reverse: bool,
}

/// `weight_ih_l0`, `bias_hh_l12_reverse`; `None` for anything else.
pub fn parse(component: &str) -> Option<Parsed> {
    let (name, is_reverse) = match component.strip_suffix("_reverse") {
        Some(name) => (name, true),
        None => (component, false),
    };
    let (part, number) = name.rsplit_once("_l")?;
    let (_, part) = Part::ALL.into_iter().find(|(name, _)| *name == part)?;
    let layer: usize = number.parse().ok()?;
    // No second spelling of the same number: `+1`, `01`.
    (layer.to_string() == number).then_some(Parsed {
        part,
        layer,
        is_reverse,
    })
}

/// The module and the last component of a tensor's name: (`encoder.lstm`, `weight_ih_l0`).
pub fn split(tensor: &str) -> (&str, &str) {
    tensor.rsplit_once('.').unwrap_or(("", tensor))
}

/// The full name of a tensor.
pub fn join(module: &str, component: &str) -> String {
    if module.is_empty() {
        component.to_owned()
    } else {
        format!("{module}.{component}")
    }
}

/// The modules that have a matrix of a recurrent layer.
pub fn modules<'a>(tensors: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    tensors
        .map(split)
        .filter(|(_, component)| {
            parse(component).is_some_and(|p| matches!(p.part, Part::WeightIh | Part::WeightHh))
        })
        .map(|(module, _)| module)
        .collect()
}

/// Whether a tensor lies inside a module rather than beside it or in another one.
pub fn is_inside(tensor: &str, module: &str, modules: &BTreeSet<&str>) -> bool {
    let (own, _) = split(tensor);
    // The whole model's own tensors have no dot; those of its other parts do.
    own == module
        || (!module.is_empty()
            && !modules.contains(own)
            && own
                .strip_prefix(module)
                .is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_pytorch_writes_them() {
        for (text, part, layer, is_reverse) in [
            ("weight_ih_l0", Part::WeightIh, 0, false),
            ("bias_hh_l12_reverse", Part::BiasHh, 12, true),
            ("weight_hr_l1", Part::WeightHr, 1, false),
        ] {
            let parsed = Parsed {
                part,
                layer,
                is_reverse,
            };
            assert_eq!(parse(text), Some(parsed));
            assert!(text.starts_with(part.name()));
        }
        for other in [
            "weight",
            "weight_ih",
            "weight_ih_l",
            "weight_ih_l01",
            "weight_ih_l+1",
            "weight_ih_l99999999999999999999999",
            "xweight_ih_l0",
            "weight_hh_l0_raw",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_module_holds_what_is_below_it_unless_that_is_another_module() {
        let names = ["a.weight_ih_l0", "a.b.weight_hh_l0", "a.x.y", "ab.bias"];
        let modules = modules(names.into_iter());
        assert_eq!(modules, BTreeSet::from(["a", "a.b"]));
        let inside = names.map(|name| is_inside(name, "a", &modules));
        assert_eq!(inside, [true, false, true, false]);
        assert!(!is_inside("head.weight", "", &modules));
        assert!(is_inside("scale", "", &modules));
    }
}
