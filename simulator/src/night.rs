//! A night of polling: after a season, many games on one evening, with feeds that a scraper polls every few seconds or minutes.
//!
//! Invariant: the events depend only on the parameters. No fact is fetched before it can be known.
//! Not here: the season before the night (`fetches`), the polls (`night::polls`), the changes of the odds (`night::odds`).
mod odds;
mod parameters;
mod polls;

use crate::{event::ScraperEvent, world::World};
use std::convert::Infallible;

pub use parameters::Night;

impl Night {
    /// Returns the events of the season before the night, ordered by fetch time.
    pub fn season_events(&self) -> Vec<ScraperEvent> {
        self.season.events()
    }
    /// Returns all events of the night, ordered by fetch time. A night of the default size has about a gigabyte.
    pub fn events(&self) -> Vec<ScraperEvent> {
        let mut events = vec![];
        let pushed: Result<(), Infallible> = self.try_for_each(|event| {
            events.push(event);
            Ok(())
        });
        match pushed {
            Ok(()) => events.sort_by_key(|event| event.fetched_at),
            Err(never) => match never {},
        }
        events
    }
    /// Calls a function with each event of the night, one after the other, until it returns an error. The events are ordered by fetch time
    /// if the season has no faults.
    pub fn try_for_each<E>(&self, publish: impl FnMut(ScraperEvent) -> Result<(), E>) -> Result<(), E> {
        let world = World::new(&self.season);
        polls::Polls::new(self, &world).publish(publish)
    }
}
