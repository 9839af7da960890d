//! Each model by name: `LOOM_LOG=trace cargo test NAME -- --nocapture` shows the order in which one fails.

use midge_threads::models;

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                models::$name();
            }
        )*
    };
}

tests! {
    no_wake_up_of_a_slot_is_lost
    no_wake_up_of_two_slots_is_lost
    a_slot_that_is_woken_again_is_polled_again
    no_shutdown_is_lost
    block_on_is_woken_from_another_thread
    an_alarm_that_is_set_anew_wakes
    an_alarm_that_is_dropped_ends
    each_arrival_wakes_who_waits_for_it
    waiting_ends_with_its_future
    draining_ends_with_the_last_report
}
