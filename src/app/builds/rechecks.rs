//! What nobody asked for: the daily look at the remotes of packages, and builds under toolchains
//! that are new.

use crate::app::builds::build::{Build, Kind};
use crate::app::builds::running::Active;
use crate::app::builds::scheduler::{Context, Works};
use crate::app::domain::recheck::{self, Found};
use crate::app::domain::task::{Class, Entry, Work};
use crate::app::store::{self, CheckRow, Known, NewCheck};
use crate::config::{DUE_CHECKS_LIMIT, LOOK_AGAIN_MS, SWEEP_LIMIT};

impl Works {
    /// The toolchains that have an image, each with it.
    fn toolchains(&self, cx: &Context) -> Vec<(String, String)> {
        let versions = self.zig_versions.iter();
        let with_image = versions.filter_map(|version| {
            let image = cx.engine.image(version)?;
            Some((version.clone(), image.to_string()))
        });
        with_image.collect()
    }

    // -- looks at remotes --

    /// Lets packages wait for their daily look that are due for it; a limited number at a time.
    pub(crate) fn look_due(&mut self, cx: &mut Context) -> store::Result<()> {
        for known in cx.store.packages_due(cx.now.unix_ms, DUE_CHECKS_LIMIT)? {
            let work = Work::Remote(known.id);
            if self.active.contains_key(&work) {
                self.look_begins(known.id, cx)?;
                continue;
            }
            self.looked(known.id, cx)?;
            if self.queue.is_waiting(cx.store, work)? {
                continue;
            }
            let entry = Entry {
                work,
                class: Class::Recheck,
                party: recheck::owner(&known.url),
                popularity: known.popularity_score,
            };
            self.push(&entry, None, cx)?;
        }
        Ok(())
    }

    pub(crate) fn start_remote(
        &mut self,
        entry: Entry,
        package: i64,
        cx: &mut Context,
    ) -> store::Result<bool> {
        let newest = self.toolchains(cx).into_iter().next();
        let (Some(known), Some((version, _))) = (cx.store.known(package)?, newest) else {
            return Ok(false);
        };
        self.look_begins(package, cx)?;
        let check = CheckRow {
            id: 0,
            package_id: Some(package),
            package: known.name,
            url: Some(known.url),
            reference: known.reference,
            source: None,
            commit: None,
            attempt: 1,
            errors: 0,
            class: entry.class,
            party: entry.party.clone(),
            created_at: cx.now.unix_ms,
        };
        let active = Active::new(entry, check, version, Build::new(1, 0, self.limits));
        self.start(active, Kind::Remote, cx)?;
        Ok(true)
    }

    /// A look that is under way waits nowhere: if the server ends now, the next one knows by this that
    /// it is owed.
    fn look_begins(&mut self, package: i64, cx: &mut Context) -> store::Result<()> {
        let again = cx.now.unix_ms + LOOK_AGAIN_MS;
        cx.store.set_next_check(package, again)
    }

    /// A look is over, whatever it came to, or has its place in the queue: the next one is tomorrow.
    pub(crate) fn looked(&mut self, package: i64, cx: &mut Context) -> store::Result<()> {
        let next = recheck::next_check(package, cx.now.unix_ms);
        cx.store.set_next_check(package, next)
    }

    /// The remote has said its commit.
    pub(crate) fn remote_told(
        &mut self,
        package: i64,
        commit: &str,
        cx: &mut Context,
    ) -> store::Result<()> {
        let Some(known) = cx.store.known(package)? else {
            return Ok(());
        };
        let cells = cx.store.cells(package, &self.toolchains(cx))?;
        match recheck::found(Some(commit), known.commit.as_deref(), &cells) {
            Found::Unreachable | Found::Unchanged => Ok(()),
            Found::Changed(versions) | Found::Owed(versions) => {
                self.check_again(&known, &versions, Class::Recheck, cx)
            }
        }
    }

    // -- new toolchains --

    /// The engine has said which images it has: where one is new, all packages are looked through.
    pub fn images_told(&mut self, cx: &mut Context) -> store::Result<()> {
        for (version, image) in self.toolchains(cx) {
            if cx.store.see_toolchain(&version, &image, cx.now.unix_ms)? {
                log::info!("zig {version} has a new image");
                self.sweeping = true;
            }
        }
        Ok(())
    }

    /// Looks through the next few packages for those that were not built under a toolchain there is.
    pub(crate) fn sweep(&mut self, cx: &mut Context) -> store::Result<()> {
        let toolchains = self.toolchains(cx);
        if !self.sweeping || toolchains.is_empty() {
            return Ok(());
        }
        let swept = cx.store.sweep_packages(SWEEP_LIMIT, &toolchains)?;
        self.sweeping = !swept.done;
        for (known, versions) in swept.packages {
            self.check_again(&known, &versions, Class::Toolchain, cx)?;
        }
        Ok(())
    }

    /// A check of a known package that nobody asked for.
    fn check_again(
        &mut self,
        known: &Known,
        versions: &[String],
        class: Class,
        cx: &mut Context,
    ) -> store::Result<()> {
        let party = recheck::owner(&known.url);
        let new = NewCheck {
            package_id: Some(known.id),
            package: &known.name,
            git: Some((&known.url, known.reference.as_deref())),
            class,
            party: &party,
        };
        let check = cx.store.begin_check(&new, versions, cx.now.unix_ms)?;
        self.add(check, cx)?;
        Ok(())
    }
}
