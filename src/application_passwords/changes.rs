//! What became of the entries of a list that was saved: for the journal.

use std::collections::HashMap;

use super::{ApplicationPasswords, Contents, Record, StoredList, Taken};
use crate::error::Error;
use crate::journal::Event;
use crate::store::User;
use crate::wordpress::php_serialize::{Document, Key, View};
use crate::wordpress::schema::{SUSPENDED, item, own};

/// What happens to a suspended entry when it is erased. Its way there and back is told where WordPress's own list
/// changes.
pub(super) const ERASE: &str = "erase-suspended";

/// A list that could not be read was written over; a copy of it was kept.
const REPLACE: &str = "replace-unreadable";

/// What happened to one entry.
struct Change<'a> {
    action: &'static str,
    record: Record<'a>,
}

impl ApplicationPasswords<'_> {
    /// Writes a record of each entry that is another now, or not there any more.
    pub(super) fn note_changes(
        &self,
        user: &User,
        key: &str,
        before: &StoredList,
        after: &Document,
        outcome: &str,
    ) {
        let Some(journal) = self.aftercare.journal else { return };
        let empty = Document::empty_array();
        let before = match &before.contents {
            Contents::List(document) => document,
            Contents::Absent => &empty,
            Contents::Unreadable { .. } => {
                // Nobody can say which entries it held.
                journal.record(&Event {
                    action: self.moving.filter(|moving| *moving == ERASE).unwrap_or(REPLACE),
                    user_id: user.id.0,
                    user_login: &user.login,
                    uuid: b"",
                    name: b"",
                    outcome,
                });
                &empty
            }
        };
        if key == SUSPENDED && self.moving != Some(ERASE) {
            return;
        }
        for Change { action, record } in between(before, after, self.moving) {
            journal.record(&Event {
                action,
                user_id: user.id.0,
                user_login: &user.login,
                uuid: &record.text(item::UUID).unwrap_or_default(),
                name: &record.text(item::NAME).unwrap_or_default(),
                outcome,
            });
        }
    }

    /// Writes a record of what went wrong after a change was saved.
    pub(super) fn note_trouble(&self, user: &User, outcome: &str) {
        if let Some(journal) = self.aftercare.journal {
            journal.record(&Event {
                action: "confirm",
                user_id: user.id.0,
                user_login: &user.login,
                uuid: b"",
                name: b"",
                outcome,
            });
        }
    }

    /// Writes a record of a change that could not be made: an attempt is as telling as a change. What was asked for wrongly
    /// (a name that is taken, a uuid that is not there) is none.
    pub(super) fn note_failure(&self, user: &User, error: &Error) {
        let tells = matches!(
            error,
            Error::Store(_)
                | Error::Unreadable { .. }
                | Error::UnreadableSuspended { .. }
                | Error::Uneditable { .. }
                | Error::Conflict { .. }
        );
        // Whether another was saved is not known, and was told.
        if let (Some(journal), Some(outcome), true) = (self.aftercare.journal, error.outcome(), tells) {
            journal.failure(user.id.0, &user.login, &outcome);
        }
    }

    /// Writes a record of each entry that was taken out of a list, and is in service again: WordPress wrote it back with a use.
    pub(super) fn note_returned<'t>(&self, user: &User, action: &str, back: impl Iterator<Item = &'t Taken>) {
        let Some(journal) = self.aftercare.journal else { return };
        for Taken { uuid, name, .. } in back {
            journal.record(&Event {
                action,
                user_id: user.id.0,
                user_login: &user.login,
                uuid,
                name,
                outcome: "undone: WordPress wrote it back with a use, and it is in service",
            });
        }
    }
}

fn between<'a>(before: &'a Document, after: &'a Document, moving: Option<&'static str>) -> Vec<Change<'a>> {
    let hash = |record: &Record<'_>| record.text(item::PASSWORD).unwrap_or_default().into_owned();
    let mut old: HashMap<Vec<u8>, Vec<Record<'a>>> = HashMap::new();
    for (_, record) in Record::all(before) {
        old.entry(hash(&record)).or_default().push(record);
    }
    let mut changes = Vec::new();
    for (_, record) in Record::all(after) {
        let candidates = old.get_mut(&hash(&record));
        // One that is older than uuids may have got one.
        let same = |other: &Record<'_>| match (other.text(item::UUID), record.text(item::UUID)) {
            (Some(other), Some(own)) => other == own,
            _ => true,
        };
        let found = candidates.and_then(|candidates| {
            let place = candidates.iter().position(same)?;
            Some(candidates.remove(place))
        });
        let actions = match found {
            Some(old) => changed(&old, &record),
            None => vec![moving.unwrap_or("create")],
        };
        changes.extend(actions.into_iter().map(|action| Change { action, record }));
    }
    // In stored order, not in that of a map.
    for (_, record) in Record::all(before) {
        if let Some(left) = old.get_mut(&hash(&record))
            && let Some(place) = left.iter().position(|other| other.parts().1 == record.parts().1)
        {
            left.remove(place);
            changes.push(Change { action: moving.unwrap_or("revoke"), record });
        }
    }
    changes
}

/// What an edit of an entry did. A new name hides nothing else that was changed with it.
fn changed(old: &Record<'_>, new: &Record<'_>) -> Vec<&'static str> {
    let fields = |record: &Record<'_>| -> Vec<(Key<'static>, String)> {
        let (document, node) = record.parts();
        let shown = |view: View<'_>| format!("{view:?}");
        // A rotation's mark on the old entry is no change of it: the new entry's record tells.
        let entries = document.entries(node).filter(|(key, _)| *key != Key::from(own::ROTATING_TO));
        entries.map(|(key, value)| (super::owned(key), shown(document.view(value)))).collect()
    };
    let (before, after) = (fields(old), fields(new));
    let differs = |key: &str| {
        let of = |fields: &[(Key<'static>, String)]| {
            fields.iter().find(|(name, _)| *name == Key::from(key)).map(|(_, value)| value.clone())
        };
        of(&before) != of(&after)
    };
    let others = |fields: &[(Key<'static>, String)]| -> Vec<(Key<'static>, String)> {
        fields.iter().filter(|(name, _)| *name != Key::from(item::NAME)).cloned().collect()
    };
    let mut actions = Vec::new();
    if differs(item::NAME) {
        actions.push("rename");
    }
    if others(&before) != others(&after) {
        actions.push(if differs(own::UNDELIVERED) {
            "deliver"
        } else if differs(own::RETIRE_AT) {
            "retire-later"
        } else if differs(item::LAST_USED) || differs(item::LAST_IP) {
            "record-usage"
        } else {
            "update"
        });
    }
    actions
}
