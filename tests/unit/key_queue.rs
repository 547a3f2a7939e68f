//! The queue of keys: each key once.

use zigcheck::base::key_queue::KeyQueue;
use zigcheck::base::slab::Key;

fn key(index: u32, generation: u32) -> Key {
    Key { index, generation }
}

#[test]
fn a_key_is_queued_once_until_it_is_popped() {
    let mut queue = KeyQueue::default();
    for key in [key(3, 0), key(1, 0), key(3, 0)] {
        queue.push(key);
    }
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.pop(), Some(key(3, 0)));
    queue.push(key(3, 0));
    assert_eq!(
        [queue.pop(), queue.pop()],
        [Some(key(1, 0)), Some(key(3, 0))]
    );
    assert_eq!(queue.pop(), None);
}

#[test]
fn a_new_key_of_a_slot_is_queued_behind_a_stale_one() {
    let mut queue = KeyQueue::default();
    queue.push(key(0, 0));
    queue.push(key(0, 1));
    assert_eq!(queue.pop(), Some(key(0, 0)));
    queue.push(key(0, 1));
    assert_eq!(queue.iter().collect::<Vec<_>>(), [key(0, 1)]);
}
