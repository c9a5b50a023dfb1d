use super::{AtomicU32, Fences, Ordering};

#[test]
fn a_light_fence_of_either_kind_leaves_a_store_where_it_was() {
    for fences in [Fences::SeqCst, Fences::Membarrier] {
        let word = AtomicU32::new(0);
        word.store(7, Ordering::Relaxed);
        fences.light();
        assert_eq!(word.load(Ordering::Relaxed), 7);
    }
}
