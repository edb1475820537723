//! Inbound hooks: signals from a team's own tools. Verified, kept as they came, and handed to the runs they match.

pub(super) mod alertmanager;
