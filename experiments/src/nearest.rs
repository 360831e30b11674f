//! The name that was probably meant where an unknown one was found.

/// Shorter texts than this are the beginning of too much to be taken for one.
const SHORTEST_START: usize = 3;

/// The name most like `found`, if one is like enough to have been meant: one that begins with it, or one
/// that it differs from by at most a third of the longer one's letters (put in, left out, changed or swapped
/// with their neighbour; capitals count for small letters). Of several the one with fewest differences, then
/// the one with the longest common start.
///
/// Far from every name there is nothing to suggest, and a suggestion would only mislead.
pub fn nearest<S: AsRef<str>>(found: &str, known: &[S]) -> Option<String> {
    let found = found.to_lowercase();
    let length = found.chars().count();
    let candidates = known.iter().filter_map(|name| {
        let name = name.as_ref();
        let lower = name.to_lowercase();
        let distance = strsim::osa_distance(&found, &lower);
        let is_start = length >= SHORTEST_START && lower.starts_with(&found);
        let is_near = 3 * distance <= length.max(lower.chars().count());
        let likeness = strsim::jaro_winkler(&found, &lower);
        (is_start || is_near).then_some((distance, -likeness, name))
    });
    candidates
        .min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
        .map(|(.., name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 5] = ["vanilla-rnn", "lstm", "gru", "lru", "orthogonal-rnn"];

    #[test]
    fn slips_and_beginnings_are_understood() {
        for (found, meant) in [
            ("lsmt", "lstm"),
            ("LSTM", "lstm"),
            ("vanila-rnn", "vanilla-rnn"),
            ("vanilla_rnn", "vanilla-rnn"),
            ("ortho", "orthogonal-rnn"),
            ("gru2", "gru"),
            ("lru", "lru"),
        ] {
            assert_eq!(nearest(found, &KINDS).as_deref(), Some(meant), "{found}");
        }
    }

    #[test]
    fn nothing_is_suggested_for_what_is_like_no_name() {
        // `transformer` shares letters with `vanilla-rnn`, and `ab` is as long as it is different.
        for found in ["transformer", "qqqq", "ab", "", "rnn"] {
            assert_eq!(nearest(found, &KINDS), None, "{found}");
        }
        assert_eq!(nearest::<&str>("lstm", &[]), None);
    }
}
