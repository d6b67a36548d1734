//! `stack-update`: runs the update units and aggregates their outcomes.
