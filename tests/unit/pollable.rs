//! The tokens of descriptors in the poll.

use zigcheck::base::slab::Key;
use zigcheck::shell::pollable::*;

#[test]
fn a_token_decodes_to_its_parts() {
    for kind in KINDS {
        for (index, generation) in [(0, 0), (511, 7), (INDEX_MASK, u32::MAX)] {
            let key = Key { index, generation };
            assert_eq!(decode_token(token(kind, key)), (kind, key));
        }
    }
}
