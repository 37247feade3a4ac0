//! What was absent from the player's team before the player's earlier appearances: the averages with which the absences before the next game
//! are compared.
//!
//! Invariant: the absences before an appearance are those of its slate entry, so they use only what was known before that game.
//! Not here: the absences before one game (`slate::rotation`).
use crate::ewma::Ewma;
use schemas::team_form::Rotation;

/// The averages, with the span 8, of the minutes and possessions of regular teammates who probably did not appear.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Absences {
    minutes: Ewma,
    possessions: Ewma,
}
impl Absences {
    /// Adds the absences before the next appearance.
    pub fn with(mut self, rotation: &Rotation) -> Self {
        self.minutes.add(Ewma::DECAY_8, rotation.minutes_absent);
        self.possessions.add(Ewma::DECAY_8, rotation.possessions_absent);
        self
    }
    /// Returns the average of the minutes; `None` if there are no earlier appearances.
    pub fn minutes(&self) -> Option<f64> {
        self.minutes.mean()
    }
    /// Returns the average of the possessions; `None` if there are no earlier appearances.
    pub fn possessions(&self) -> Option<f64> {
        self.possessions.mean()
    }
}
