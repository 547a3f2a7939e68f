//! The slab against a map from every key it ever gave.

use std::collections::{BTreeMap, HashSet};

use crate::common::seed::Seed;
use zigcheck::base::slab::{Key, Slab};

#[test]
fn agrees_with_a_map() {
    for seed in 0..200 {
        let mut random = Seed(seed);
        let limit = random.below(9);
        let mut slab = Slab::new(limit);
        let mut model: BTreeMap<Key, u64> = BTreeMap::new();
        let mut given: Vec<Key> = vec![Key::from_bits(0), Key::from_bits(usize::MAX)];
        for _ in 0..300 {
            if random.once_in(2) {
                let value = random.next();
                match slab.insert(value) {
                    Some(key) => {
                        assert!(!given[2..].contains(&key), "seed {seed}: {key:?} again");
                        given.push(key);
                        model.insert(key, value);
                    }
                    None => assert_eq!(model.len(), limit, "seed {seed}: not full"),
                }
            } else {
                let key = *random.pick(&given);
                assert_eq!(slab.remove(key), model.remove(&key), "seed {seed}");
            }
            if let Some((key, value)) = model.iter_mut().next() {
                *value += 1;
                *slab.get_mut(*key).unwrap() += 1;
            }
            for key in &given {
                assert_eq!(slab.get(*key), model.get(key), "seed {seed}");
                assert_eq!(slab.contains(*key), model.contains_key(key), "seed {seed}");
                assert_eq!(slab.get_mut(*key).copied(), model.get(key).copied());
                assert_eq!(Key::from_bits(key.to_bits()), *key);
            }
            let listed: BTreeMap<Key, u64> =
                slab.iter().map(|(key, value)| (key, *value)).collect();
            assert_eq!(listed, model, "seed {seed}");
            assert!(slab.keys().eq(model.keys().copied()), "seed {seed}");
            assert_eq!(slab.iter_mut().count(), model.len(), "seed {seed}");
            assert_eq!(slab.len(), model.len());
            assert_eq!(slab.is_empty(), model.is_empty());
            assert_eq!(slab.is_full(), model.len() == limit);
        }
    }
}

#[test]
fn keys_have_numbers_of_their_own() {
    let mut slab = Slab::new(3);
    let mut seen = HashSet::new();
    for _ in 0..10 {
        let keys: Vec<Key> = (0..3).filter_map(|i| slab.insert(i)).collect();
        assert!(slab.insert(3).is_none());
        for key in keys {
            assert!(seen.insert(key.to_bits()));
            slab.remove(key);
        }
    }
    assert_eq!(seen.len(), 30);
    assert!(!seen.contains(&usize::MAX));
}
