//! What no model can show: that the fences hold on the processor that the tests run on.

mod store_buffering;
