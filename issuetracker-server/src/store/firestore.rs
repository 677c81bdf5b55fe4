//! Firestore, in production the single source of truth.
