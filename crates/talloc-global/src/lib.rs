//! The talloc allocator as a global allocator: ready-made statics and memory sources.
