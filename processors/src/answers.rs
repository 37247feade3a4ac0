//! Answers: what the teams that were asked said of names, where the asker sits, and the decision over them.
//!
//! Invariant: a name is decided only when every team asked has answered; until then it is not known, not unknown.
//! Not here: the rules by which a team recognises a name (`names`), the view that answers (`name_resolver`).
use crate::names::{Resolution, decide};
use schemas::{
    EasternDate, Instant, NamesId, PlayerId, Team,
    identity::{NameStep, Names},
    raw::Source,
};
use std::collections::BTreeMap;

/// The answers that reached one asker.
#[derive(Default)]
pub struct Answers(BTreeMap<(Source, EasternDate, Team), Names>);

/// What is to be decided: a source's name on an Eastern day, over the teams that were asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub teams: &'a [Team],
    pub source: Source,
    pub date: EasternDate,
    pub name: &'a str,
}

impl Answers {
    pub fn put(&mut self, id: NamesId, row: Option<Names>) {
        let at = (id.source, id.date, id.team);
        match row {
            Some(row) => _ = self.0.insert(at, row),
            None => _ = self.0.remove(&at),
        }
    }
    fn steps(&self, question: Question<'_>, team: Team) -> Option<&[NameStep]> {
        let row = self.0.get(&(question.source, question.date, team))?;
        let at = row.answers.binary_search_by(|answer| answer.name.as_str().cmp(question.name)).ok()?;
        Some(&row.answers[at].steps)
    }
    /// The decision over the steps believed; `None` while a team has not answered, or had nothing to say by then.
    pub fn decide(
        &self,
        question: Question<'_>,
        believe: impl Fn(&[NameStep]) -> Option<&NameStep>,
    ) -> Option<(Resolution, Instant)> {
        let mut believed = Vec::with_capacity(question.teams.len());
        for team in question.teams {
            believed.push(believe(self.steps(question, *team)?)?);
        }
        let known_at = believed.iter().map(|step| step.known_at).max().unwrap_or(Instant::EVER);
        Some((decide(believed.into_iter()), known_at))
    }
    /// The player a name means, and since when that is known.
    pub fn player(
        &self,
        question: Question<'_>,
        believe: impl Fn(&[NameStep]) -> Option<&NameStep>,
    ) -> Option<(PlayerId, Instant)> {
        match self.decide(question, believe)? {
            (Resolution::Player(player, _), known_at) => Some((player, known_at)),
            _ => None,
        }
    }
    /// Everyone whom a name has ever been taken to mean.
    pub fn anyone(&self, question: Question<'_>, player: &mut dyn FnMut(PlayerId)) {
        for team in question.teams {
            for step in self.steps(question, *team).unwrap_or(&[]) {
                step.players.iter().chain(&step.link).for_each(|p| player(*p));
            }
        }
    }
    /// Every instant at which an answer changed.
    pub fn instants(&self, question: Question<'_>, at: &mut dyn FnMut(Instant)) {
        for team in question.teams {
            self.steps(question, *team).unwrap_or(&[]).iter().for_each(|step| at(step.known_at));
        }
    }
    /// Why a name is not resolved in the end, for a person; `None` when it is.
    pub fn unresolved(&self, question: Question<'_>) -> Option<String> {
        match self.decide(question, |steps| steps.last()) {
            None => Some("waits for the teams' answers".into()),
            Some((Resolution::Player(..), _)) => None,
            Some((Resolution::Ambiguous(players), _)) => {
                let players: Vec<String> = players.iter().map(ToString::to_string).collect();
                Some(format!("may be any of {}", players.join(", ")))
            }
            Some((Resolution::Unknown, _)) => Some("nobody knows this name".into()),
        }
    }
}

/// The last step known at or before an instant.
pub fn known_by(at: Instant) -> impl Fn(&[NameStep]) -> Option<&NameStep> + Copy {
    move |steps| {
        steps.partition_point(|step| step.known_at <= at).checked_sub(1).and_then(|last| steps.get(last))
    }
}
