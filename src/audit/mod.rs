//! The rules of an audit over the facts of a site: facts in, findings out.
//!
//! Knows no SQL, no terminal, no clock and no format of a report. Users are looked at one after another, so nothing
//! is kept of them but what [`duplicates`] needs.

use std::collections::HashMap;
use std::rc::Rc;

pub mod baseline;
pub mod duplicates;
pub mod entry;
pub mod finding;
pub mod names;
pub mod policy;
pub mod rules;
pub mod tally;

use baseline::Baseline;
use duplicates::{Digests, Group, Kind as What, Place};
use entry::{Entry, Field};
use finding::{Finding, Fingerprint};
use policy::Policy;
use rules::Id;
use tally::Tally;

use crate::wordpress::password_hash::{self, Era, Kind};
use crate::wordpress::roles::RoleMap;

/// A clock may be off by so many seconds.
const CLOCK_SKEW: i64 = 300;

/// What is known of the site before its users are looked at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Unix seconds, UTC.
    pub now: i64,
    /// Which hashes this WordPress checks.
    pub era: Era,
    /// Whether this is a network: roles are then named with their site.
    pub network: bool,
    /// The logins of a network's super admins.
    pub super_admins: Vec<Vec<u8>>,
    /// The roles of each site.
    pub role_maps: HashMap<u64, Rc<RoleMap>>,
    /// Whether WordPress looks at application passwords at all.
    pub in_use: bool,
    /// `siteurl` and `home`.
    pub addresses: Vec<(&'static str, String)>,
    /// Why expiry and restrictions are not enforced, as far as it is known: a clause. `None`: they are.
    pub not_enforced: Option<String>,
}

/// A user who has a list.
#[derive(Debug, Clone, Default)]
pub struct Owner<'a> {
    /// `users.ID`.
    pub id: u64,
    /// `None`: there is no such user.
    pub login: Option<&'a [u8]>,
    /// Why the account counts as closed.
    pub blocked: Option<&'static str>,
    /// The stored roles, by site.
    pub roles: Vec<(u64, &'a [u8])>,
    /// The row of the list.
    pub umeta_id: u64,
}

/// What a list looks like besides its entries.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'a> {
    /// As it should be; so many items are not entries.
    List {
        /// How many.
        strangers: usize,
    },
    /// It cannot be read.
    Unreadable {
        /// Where, in bytes.
        offset: usize,
        /// What is wrong there.
        reason: &'a str,
    },
}

/// What a user is, as the rules see it.
#[derive(Debug, PartialEq, Eq, Default)]
struct Roles {
    /// `administrator`, or `1:editor 7:administrator`.
    label: String,
    /// The sites whose settings the user may change.
    manages: Vec<u64>,
    has_any: bool,
}

/// An audit under way.
pub struct Audit<'a> {
    facts: Facts,
    policy: &'a Policy,
    baseline: Option<&'a Baseline>,
    /// What was counted so far.
    pub tally: Tally,
    digests: Digests,
    /// Few users have roles of their own.
    known_roles: HashMap<Vec<u8>, Rc<Roles>>,
    key: Vec<u8>,
    /// The digests of one user's names: only here so that the memory is used again.
    names: Vec<u64>,
    /// How often each fingerprint was told of the user who is looked at: two findings never share one.
    told: HashMap<Fingerprint, u32>,
    told_of: Option<u64>,
    /// Every finding that is not excused, known or not, is told here too.
    all: Option<&'a mut dyn FnMut(&Finding)>,
}

/// Where findings go.
pub type Report<'r> = &'r mut dyn FnMut(Finding);

impl<'a> Audit<'a> {
    /// A new one.
    pub fn new(facts: Facts, policy: &'a Policy, baseline: Option<&'a Baseline>) -> Self {
        Self {
            facts,
            policy,
            baseline,
            tally: Tally::default(),
            digests: Digests::default(),
            known_roles: HashMap::new(),
            key: Vec::new(),
            names: Vec::new(),
            told: HashMap::new(),
            told_of: None,
            all: None,
        }
    }

    /// Tells `all` every finding that no exception covers, also those that the baseline knows: for a new baseline.
    pub fn telling(mut self, all: &'a mut dyn FnMut(&Finding)) -> Self {
        self.all = Some(all);
        self
    }

    /// Looks at one user's list; gives the number of its entries.
    pub fn account<'e>(
        &mut self,
        owner: &Owner<'_>,
        shape: Shape<'_>,
        entries: impl Iterator<Item = Entry<'e>>,
        report: Report<'_>,
    ) -> u64 {
        let roles = self.roles(owner);
        let is_super = self.is_super(owner);
        let mut hits: Vec<(Id, String)> = Vec::new();
        let mut names = std::mem::take(&mut self.names);
        names.clear();
        let mut count = 0;
        for entry in entries {
            count += 1;
            self.note(&entry);
            self.entry(&entry, &mut hits);
            let replaced = entry.own.as_ref().is_some_and(|own| own.replaced);
            if let Some(name) = entry.name.text().filter(|name| !name.is_empty() && !replaced) {
                let digest = duplicates::digest_of_name(name);
                if names.contains(&digest) {
                    hits.push((Id::DuplicateName, "another entry of this user has the same name".into()));
                }
                names.push(digest);
            }
            if owner.login.is_some() {
                if is_super {
                    hits.push((
                        Id::SuperAdmin,
                        "its owner is a super admin, with all rights on every site".into(),
                    ));
                } else if !roles.manages.is_empty() {
                    hits.push((Id::Administrator, self.trap(&roles)));
                }
            }
            for (rule, message) in hits.drain(..) {
                if self.policy.enabled(rule) {
                    let finding = self.finding(rule, owner, &roles, Some(&entry), message);
                    self.report(finding, report);
                }
            }
        }
        self.names = names;
        self.tally.users += u64::from(count > 0);
        self.user(owner, shape, count, &roles, &mut hits);
        for (rule, message) in hits {
            if self.policy.enabled(rule) {
                let finding = self.finding(rule, owner, &roles, None, message);
                self.report(finding, report);
            }
        }
        count
    }

    /// Another row of a user whose first row was looked at.
    pub fn surplus_row(&mut self, owner: &Owner<'_>, report: Report<'_>) {
        if self.policy.enabled(Id::DuplicateRows) {
            let roles = self.roles(owner);
            let message = format!("usermeta row {} is one more row of this user's list", owner.umeta_id);
            let mut finding = self.finding(Id::DuplicateRows, owner, &roles, None, message);
            let row = owner.umeta_id.to_le_bytes();
            finding.fingerprint = Fingerprint::new(Id::DuplicateRows, Some(owner.id), &row);
            self.report(finding, report);
        }
    }

    /// A row that is too long to be read; `why` names it.
    pub fn too_long(&mut self, why: &str, report: Report<'_>) {
        if self.policy.enabled(Id::Unreadable) {
            let mut finding =
                self.finding(Id::Unreadable, &Owner::default(), &Roles::default(), None, why.to_owned());
            finding.user = None;
            // The row and its user, not how long it is today.
            let row = why.split_once(" holds ").map_or(why, |(row, _)| row);
            finding.fingerprint = Fingerprint::new(Id::Unreadable, None, row.as_bytes());
            self.report(finding, report);
        }
    }

    /// An entry that is out of service.
    pub fn suspended(&mut self, owner: &Owner<'_>, entry: &Entry<'_>, report: Report<'_>) {
        self.tally.suspended += 1;
        if self.policy.enabled(Id::Suspended) {
            let roles = self.roles(owner);
            let message = "it is suspended and can be brought back".to_owned();
            let finding = self.finding(Id::Suspended, owner, &roles, Some(entry), message);
            self.report(finding, report);
        }
    }

    /// What concerns the site; to be called when all users were looked at.
    pub fn site(&mut self, report: Report<'_>) {
        let mut hits: Vec<(Id, String, Vec<u8>)> = Vec::new();
        if !self.facts.in_use && self.tally.entries > 0 {
            let are = if self.tally.entries == 1 { "is" } else { "are" };
            let message = format!(
                "there {are} {}, but using_application_passwords is not set",
                passwords(self.tally.entries)
            );
            hits.push((Id::NotInUse, message, Vec::new()));
        }
        if let Some(reason) = self.facts.not_enforced.as_ref().filter(|_| self.tally.restricted > 0) {
            let (count, have) =
                (self.tally.restricted, if self.tally.restricted == 1 { "has" } else { "have" });
            let message = format!(
                "{count} of the application passwords {have} an expiry or restrictions, but {reason}"
            );
            hits.push((Id::NotEnforced, message, Vec::new()));
        }
        for (option, address) in &self.facts.addresses {
            let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
            if !address.is_empty() && !scheme.eq_ignore_ascii_case("https") {
                hits.push((Id::NotHttps, format!("{option} is {address}"), option.as_bytes().to_vec()));
            }
        }
        for exception in &self.policy.exceptions {
            if exception.ends <= self.facts.now {
                let what = exception.named();
                let message =
                    format!("the exception for {what} ({}) ended with {}", exception.reason, exception.until);
                hits.push((Id::ExceptionExpired, message, what.into_bytes()));
            }
        }
        for (rule, message, subject) in hits {
            if self.policy.enabled(rule) {
                let mut finding = self.finding(rule, &Owner::default(), &Roles::default(), None, message);
                finding.user = None;
                finding.fingerprint = Fingerprint::new(rule, None, &subject);
                self.report(finding, report);
            }
        }
    }

    /// What has to be looked at once more, in one further pass for each part: see [`Audit::look`].
    pub fn suspects(&mut self) -> Vec<duplicates::Suspects> {
        std::mem::take(&mut self.digests).suspects()
    }

    /// Looks at one entry of such a pass.
    pub fn look(&mut self, owner: &Owner<'_>, entry: &Entry<'_>, suspects: &mut duplicates::Suspects) {
        for (kind, field) in [(What::Uuid, &entry.uuid), (What::Hash, &entry.password)] {
            let Some(value) = field.text().filter(|value| !value.is_empty()) else { continue };
            suspects.look(kind, value, || Place {
                user: owner.id,
                login: text(owner.login.unwrap_or_default()),
                roles: self.roles_of(owner),
                uuid: entry.uuid.shown(),
                name: entry.name.shown(),
                created: entry.created.time(),
            });
        }
    }

    /// Reports what such a pass found: one finding for each place.
    pub fn group(&mut self, group: &Group, report: Report<'_>) {
        let (rule, what) = match group.kind {
            What::Uuid => (Id::DuplicateUuid, "uuid"),
            What::Hash => (Id::DuplicateHash, "secret"),
        };
        if !self.policy.enabled(rule) {
            return;
        }
        for (index, place) in group.places.iter().enumerate() {
            let subject_of = |place: &Place| subject(&place.uuid, &place.name, place.created);
            let mut subject = subject_of(place);
            // Where more are counted than named, one that is added must be news.
            if group.count > group.places.len() as u64 {
                subject.push_str(&format!("\0of {}", group.count));
            }
            let earlier = group.places.iter().take(index);
            let alike =
                earlier.filter(|other| other.user == place.user && subject_of(other) == subject_of(place));
            let others = group.places.iter().enumerate().filter(|(other, _)| *other != index);
            let mut named: Vec<String> = others
                .take(3)
                .map(|(_, other)| format!("{} of user {} ({})", quoted(&other.name), other.user, other.login))
                .collect();
            let left = group.count - 1 - named.len() as u64;
            if left > 0 {
                named.push(format!("{left} more"));
            }
            self.report(
                Finding {
                    rule,
                    severity: self.policy.severity(rule),
                    user: Some(place.user),
                    login: place.login.clone(),
                    roles: place.roles.clone(),
                    uuid: place.uuid.clone(),
                    name: place.name.clone(),
                    app_id: String::new(),
                    created: place.created,
                    last_used: None,
                    last_ip: String::new(),
                    message: format!("it has the same {what} as {}", named.join(", ")),
                    fingerprint: Fingerprint::new(rule, Some(place.user), subject.as_bytes())
                        .repeated(alike.count() as u32),
                },
                report,
            );
        }
    }

    /// The first of the rules about one entry by itself that it breaks. Nothing is counted.
    pub fn breach(&self, entry: &Entry<'_>) -> Option<Id> {
        let mut hits = Vec::new();
        self.entry(entry, &mut hits);
        hits.into_iter().map(|(rule, _)| rule).find(|rule| self.policy.enabled(*rule))
    }

    /// What a user is, for a baseline.
    pub fn roles_of(&mut self, owner: &Owner<'_>) -> String {
        let roles = self.roles(owner);
        self.label(owner, &roles)
    }

    /// Counts an entry.
    #[inline]
    fn note(&mut self, entry: &Entry<'_>) {
        self.tally.entries += 1;
        self.tally.restricted += u64::from(entry.own.as_ref().is_some_and(|own| own.restricted));
        if let Some(created) = entry.created.time() {
            self.tally.age.count(self.facts.now.saturating_sub(created));
        }
        match entry.last_used.time() {
            Some(used) => self.tally.idle.count(self.facts.now.saturating_sub(used)),
            None => self.tally.never_used += 1,
        }
        if let Some(uuid) = entry.uuid.text().filter(|uuid| !uuid.is_empty()) {
            self.digests.note(What::Uuid, uuid);
        }
        if let Some(hash) = entry.password.text().filter(|hash| !hash.is_empty()) {
            self.digests.note(What::Hash, hash);
        }
    }

    /// The rules that look at one entry.
    fn entry(&self, entry: &Entry<'_>, hits: &mut Vec<(Id, String)>) {
        let now = self.facts.now;
        let ago = |time: i64| now.saturating_sub(time);
        let longer = |rule: Id, time: i64| {
            u64::try_from(ago(time)).is_ok_and(|seconds| seconds > self.policy.threshold(rule))
        };
        let (created, used) = (entry.created.time(), entry.last_used.time());
        if let Some(created) = created {
            if used.is_none() && longer(Id::NeverUsed, created) {
                hits.push((Id::NeverUsed, format!("never used since {}", day(created))));
            }
            if longer(Id::Old, created) {
                hits.push((Id::Old, format!("created on {}", day(created))));
            }
            if created > now.saturating_add(CLOCK_SKEW) {
                hits.push((
                    Id::CreatedInFuture,
                    format!("created on {}, which is still to come", day(created)),
                ));
            }
            if self.policy.since.is_some_and(|since| created >= since) {
                hits.push((Id::CreatedSince, format!("created at {}", time(created))));
            }
        } else {
            // WordPress writes one always. Whoever puts an entry into the database by hand may leave it out, and no rule would tell.
            if used.is_none() {
                hits.push((Id::NeverUsed, "never used, and it does not say when it was created".into()));
            }
            hits.push((Id::Old, "it does not say when it was created".into()));
            if self.policy.since.is_some() {
                hits.push((Id::CreatedSince, "it does not say when it was created".into()));
            }
        }
        if let Some(used) = used {
            if longer(Id::Unused, used) {
                hits.push((Id::Unused, format!("last used on {}", day(used))));
            }
            match created {
                Some(created) if used < created.saturating_sub(CLOCK_SKEW) => hits.push((
                    Id::UsedBeforeCreated,
                    format!("last used at {}, but created at {}", time(used), time(created)),
                )),
                _ if used > now.saturating_add(CLOCK_SKEW) => hits.push((
                    Id::UsedBeforeCreated,
                    format!("last used on {}, which is still to come", day(used)),
                )),
                _ => {}
            }
        }
        if !self.policy.allow_net.is_empty()
            && let Some(address) = entry.last_ip.text().filter(|address| !address.is_empty())
        {
            let address = text(address);
            if !self.policy.allows_address(&address) {
                hits.push((Id::ForeignAddress, format!("last used from {address}")));
            }
        }
        self.texts(entry, hits);
        self.hash(entry, hits);
        if let Some(own) = &entry.own {
            self.own(own, hits);
        }
    }

    /// The rules about uuid, app_id and name.
    fn texts(&self, entry: &Entry<'_>, hits: &mut Vec<(Id, String)>) {
        if !entry.uuid.is_set() {
            hits.push((Id::NoUuid, "it has no uuid".into()));
        } else if entry.uuid.text().is_some_and(<[u8]>::is_empty) {
            // WordPress: isset(), so it stays empty.
            hits.push((Id::NoUuid, "its uuid is empty, and WordPress gives it no other".into()));
        } else if entry.uuid.text().is_none() {
            // WordPress: `===` with what an address or a form says, which is text.
            hits.push((Id::NoUuid, "its uuid is no text, so that WordPress never finds it".into()));
        }
        match &entry.app_id {
            Field::Absent | Field::Null => {}
            Field::Text(app_id) if app_id.is_empty() || is_uuid(app_id) => {}
            _ => hits.push((Id::BadAppId, format!("its app_id is {}", quoted(&entry.app_id.shown())))),
        }
        match entry.name.text() {
            Some(name) if !name.is_empty() => {
                if names::hides_something(name) {
                    hits.push((Id::HiddenCharacters, format!("its name is really {}", escaped(name))));
                }
                if names::imitates_core(name) {
                    hits.push((Id::ImitatesCore, format!("it calls itself {}", quoted(&entry.name.shown()))));
                }
            }
            None if matches!(entry.name, Field::Int(_)) => return,
            _ => {}
        }
        if entry.name.text().is_none_or(names::is_blank) {
            hits.push((Id::NoName, "it has no name".into()));
        }
    }

    /// The rules about the hash. No message repeats it.
    fn hash(&self, entry: &Entry<'_>, hits: &mut Vec<(Id, String)>) {
        let hash = match &entry.password {
            Field::Text(hash) => &**hash,
            Field::Int(_) => {
                hits.push((Id::UnverifiableHash, "its hash is a number, which no password matches".into()));
                return;
            }
            Field::Absent | Field::Null | Field::Other => {
                hits.push((
                    Id::NoPassword,
                    "it has no hash, and WordPress stops with a fatal error at it".into(),
                ));
                return;
            }
        };
        let kind = password_hash::identify(hash);
        let named = kind_name(kind);
        match (kind, self.facts.era) {
            (Kind::Generic, Era::Since68 | Era::Unknown) | (Kind::Phpass, _) => {}
            (Kind::Md5 | Kind::Md5Crypt, era) => {
                let worse = if kind == Kind::Md5 && era == Era::Before68 {
                    "; when it matches, this WordPress makes it the login password"
                } else {
                    ""
                };
                hits.push((Id::WeakHash, format!("its hash is {named}{worse}")));
            }
            (Kind::Never, _) => {
                hits.push((
                    Id::UnverifiableHash,
                    "what is stored in place of a hash matches no password".into(),
                ));
            }
            (Kind::Unknown, _) => {
                hits.push((Id::UnverifiableHash, "its hash is of no known kind".into()));
            }
            (_, era) => match password_hash::refused(hash, era) {
                Some(reason) => hits.push((Id::UnverifiableHash, format!("its hash is {named}: {reason}"))),
                None => hits.push((Id::ForeignHash, format!("its hash is {named}"))),
            },
        }
    }

    /// The rules about what this program adds to an entry.
    fn own(&self, own: &entry::Own, hits: &mut Vec<(Id, String)>) {
        if let Some(key) = own.unreadable {
            hits.push((Id::UnreadableRestriction, format!("what it holds under {key} makes no sense")));
        }
        let now = self.facts.now;
        if let Some(expires) = own.expires {
            if expires <= now {
                hits.push((Id::Expired, format!("expired on {}", day(expires))));
            } else if u64::try_from(expires - now)
                .is_ok_and(|left| left <= self.policy.threshold(Id::Expiring))
            {
                hits.push((Id::Expiring, format!("expires on {}", day(expires))));
            }
        }
        if own.undelivered {
            hits.push((Id::RotationUnfinished, "its password was never delivered".into()));
        } else if let Some(retire_at) = own.retire_at.filter(|retire_at| *retire_at <= now) {
            let message = format!("another took its place, and it was to be revoked on {}", day(retire_at));
            hits.push((Id::RotationUnfinished, message));
        }
    }

    /// The rules that look at a user.
    fn user(
        &self,
        owner: &Owner<'_>,
        shape: Shape<'_>,
        count: u64,
        roles: &Roles,
        hits: &mut Vec<(Id, String)>,
    ) {
        match shape {
            Shape::Unreadable { offset, reason } => hits.push((
                Id::Unreadable,
                format!("usermeta row {} can't be read: {reason} (byte {offset})", owner.umeta_id),
            )),
            Shape::List { strangers: 0 } => {}
            Shape::List { strangers } => hits.push((
                Id::NotAnEntry,
                format!("usermeta row {} holds {strangers} of what is no entry", owner.umeta_id),
            )),
        }
        let broken = !matches!(shape, Shape::List { strangers: 0 });
        if count == 0 && !broken {
            return;
        }
        if owner.login.is_none() {
            hits.push((Id::Orphan, format!("no user has this id, but it has {}", passwords(count))));
            return;
        }
        if let Some(why) = owner.blocked {
            hits.push((Id::OwnerBlocked, format!("the account is {why}, but has {}", passwords(count))));
        }
        if !roles.has_any && !self.is_super(owner) {
            hits.push((Id::NoRole, format!("no role, but {}", passwords(count))));
        }
        if count > self.policy.threshold(Id::TooMany) {
            hits.push((Id::TooMany, passwords(count)));
        }
        if let Some(before) = self.baseline.and_then(|baseline| baseline.roles(owner.id)) {
            let label = self.label(owner, roles);
            if before != label {
                let named =
                    |roles: &str| if roles.is_empty() { "nothing".to_owned() } else { roles.to_owned() };
                hits.push((Id::RoleChanged, format!("was {}, is {}", named(before), named(&label))));
            }
        }
    }

    fn trap(&self, roles: &Roles) -> String {
        if self.facts.network {
            let sites: Vec<String> = roles.manages.iter().map(u64::to_string).collect();
            format!("its owner may change the settings of site {}", sites.join(", "))
        } else {
            format!("its owner may change the site's settings ({})", roles.label)
        }
    }

    fn is_super(&self, owner: &Owner<'_>) -> bool {
        owner.login.is_some_and(|login| self.facts.super_admins.iter().any(|admin| admin == login))
    }

    fn label(&self, owner: &Owner<'_>, roles: &Roles) -> String {
        match (self.is_super(owner), roles.label.is_empty()) {
            (true, true) => "super-admin".into(),
            (true, false) => format!("super-admin {}", roles.label),
            (false, _) => roles.label.clone(),
        }
    }

    /// What stored roles mean; the same bytes are looked at once.
    fn roles(&mut self, owner: &Owner<'_>) -> Rc<Roles> {
        self.key.clear();
        for (blog, stored) in &owner.roles {
            self.key.extend_from_slice(&blog.to_le_bytes());
            self.key.extend_from_slice(&stored.len().to_le_bytes());
            self.key.extend_from_slice(stored);
        }
        if let Some(roles) = self.known_roles.get(&self.key) {
            return Rc::clone(roles);
        }
        let mut roles = Roles::default();
        let mut labels = Vec::new();
        let usual = Rc::new(RoleMap::read(None));
        for (blog, stored) in &owner.roles {
            let map = self.facts.role_maps.get(blog).unwrap_or(&usual);
            let membership = map.membership(Some(stored));
            if membership.manages_options {
                roles.manages.push(*blog);
            }
            roles.has_any |= !membership.roles.is_empty();
            let names: Vec<String> = membership.roles.iter().map(|role| text(role)).collect();
            if !names.is_empty() {
                let names = names.join(",");
                labels.push(if self.facts.network { format!("{blog}:{names}") } else { names });
            }
        }
        roles.label = labels.join(" ");
        if self.known_roles.len() >= 4096 {
            self.known_roles.clear();
        }
        let roles = Rc::new(roles);
        self.known_roles.insert(self.key.clone(), Rc::clone(&roles));
        roles
    }

    fn finding(
        &self,
        rule: Id,
        owner: &Owner<'_>,
        roles: &Roles,
        entry: Option<&Entry<'_>>,
        message: String,
    ) -> Finding {
        let shown = |field: fn(&'_ Entry<'_>) -> String| entry.map(field).unwrap_or_default();
        let uuid = shown(|entry| entry.uuid.shown());
        let name = shown(|entry| entry.name.shown());
        let created = entry.and_then(|entry| entry.created.time());
        let subject = match (entry, rule) {
            // A user's next change of roles is another finding.
            (None, Id::RoleChanged) => self.label(owner, roles),
            (Some(_), _) => subject(&uuid, &name, created),
            (None, _) => String::new(),
        };
        Finding {
            rule,
            severity: self.policy.severity(rule),
            user: Some(owner.id),
            login: text(owner.login.unwrap_or_default()),
            roles: self.label(owner, roles),
            name,
            app_id: shown(|entry| entry.app_id.shown()),
            created,
            last_used: entry.and_then(|entry| entry.last_used.time()),
            last_ip: shown(|entry| entry.last_ip.shown()),
            message,
            fingerprint: Fingerprint::new(rule, Some(owner.id), subject.as_bytes()),
            uuid,
        }
    }

    fn report(&mut self, mut finding: Finding, report: Report<'_>) {
        if self.told_of != finding.user {
            self.told_of = finding.user;
            self.told.clear();
        }
        let told = self.told.entry(finding.fingerprint).or_default();
        finding.fingerprint = finding.fingerprint.repeated(*told);
        *told += 1;
        if self.policy.excuses(&finding, self.facts.now) {
            self.tally.excused += 1;
            return;
        }
        if let Some(all) = &mut self.all {
            all(&finding);
        }
        if self.baseline.is_some_and(|baseline| baseline.knows(&finding)) {
            self.tally.known += 1;
            return;
        }
        if let Some(count) = self.tally.found.get_mut(finding.rule as usize) {
            *count += 1;
        }
        if let Some(count) = self.tally.severities.get_mut(finding.severity as usize) {
            *count += 1;
        }
        report(finding);
    }
}

/// WordPress: `wp_is_uuid()`.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Generic => "BLAKE2b ($generic$)",
        Kind::WpBcrypt => "bcrypt of an HMAC ($wp$)",
        Kind::Phpass => "phpass ($P$)",
        Kind::PhpassPhpbb => "phpass under phpBB's name ($H$)",
        Kind::Bcrypt => "bcrypt",
        Kind::Argon2id | Kind::Argon2i => "Argon2",
        Kind::Sha256Crypt => "SHA-256 of crypt()",
        Kind::Sha512Crypt => "SHA-512 of crypt()",
        Kind::Md5Crypt => "MD5 of crypt()",
        Kind::Md5 => "a plain MD5",
        Kind::Never | Kind::Unknown => "unknown",
    }
}

/// `3 application passwords`
fn passwords(count: u64) -> String {
    format!("{count} application password{}", if count == 1 { "" } else { "s" })
}

/// What tells an entry apart from others of its user.
fn subject(uuid: &str, name: &str, created: Option<i64>) -> String {
    if uuid.is_empty() { format!("{name}\0{}", created.unwrap_or(0)) } else { uuid.to_owned() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A text in quotes, with everything as an escape that nobody would see.
pub fn quoted(text: &str) -> String {
    format!("'{}'", escaped(text.as_bytes()).trim_matches('"'))
}

/// Everything that is not plain ASCII as an escape, in quotes.
fn escaped(text: &[u8]) -> String {
    let mut shown = String::from("\"");
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            // What can be read stays readable.
            let is_seen = character.is_alphanumeric()
                && !names::hides_something(character.encode_utf8(&mut [0; 4]).as_bytes());
            if character.is_ascii_graphic() || character == ' ' || is_seen {
                shown.push(character);
            } else {
                shown.extend(character.escape_default());
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown.push('"');
    shown
}

/// `2026-11-25`, in UTC.
pub fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| format!("{seconds} (Unix time)"), |time| time.strftime("%Y-%m-%d").to_string())
}

/// `2026-11-25T14:03:00Z`
pub fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| format!("{seconds} (Unix time)"),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}
