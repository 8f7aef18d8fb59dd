# leaks.sh - of LeakSanitizer, for whatever runs a test that was linked with it: a test that crashes on purpose, or asks
# for more memory than there is, says so itself, and LeakSanitizer has no word in that.
export LSAN_OPTIONS="${LSAN_OPTIONS:+$LSAN_OPTIONS:}handle_segv=0:allocator_may_return_null=1"
