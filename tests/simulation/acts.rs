//! What people, time and fate do to the server and to its engine.

use zigcheck::app::dispatch::dispatch::App;
use zigcheck::interface::event::{Core, Event, JobId};

use crate::days::HOUR_MS;
use crate::people::url;
use crate::scripts::{self, VERSIONS};
use crate::world::World;

impl World {
    pub fn step(&mut self) {
        if self.app.is_none() {
            return self.live_without();
        }
        if !self.engine.up && self.seed.once_in(30) {
            self.engine.up = true;
        }
        if self.low && self.seed.once_in(60) {
            self.low = false;
            self.tell_room();
        }
        match self.seed.below(400) {
            0..=15 => self.submit(),
            16..=19 => self.submit_again(),
            20..=27 => self.upload(),
            28..=31 => self.look_around(),
            32..=43 => self.watch(),
            44..=47 => self.leave_audience(),
            48..=51 => self.leave_one(),
            52..=59 => self.meet_fate(),
            60..=91 => self.let_time_pass(),
            92..=99 => self.ask_as_admin(),
            100 => self.let_days_pass(),
            101..=140 if self.engine.slurm.is_some() => self.change_nodes(),
            _ => self.move_on(),
        }
    }

    fn live_without(&mut self) {
        match self.seed.below(12) {
            0..=1 => self.open(),
            2 => self.change_engine(),
            3 if self.seed.once_in(10) => self.pass_days(),
            3 => {
                let ms = self.seed.below(3_000) as u64;
                self.pass(ms);
            }
            4 => self.engine.catch_up(u64::MAX),
            _ => drop(self.engine.go_on(&mut self.seed)),
        }
    }

    fn meet_fate(&mut self) {
        match self.seed.below(15) {
            0..=4 => self.change_engine(),
            5..=8 => {
                self.tally.met("crashes");
                self.die();
            }
            9 => self.stop(),
            10 if self.seed.once_in(2) => {
                self.tally.met("drains");
                self.draining = true;
                self.turn(Some(Event::Drain));
            }
            11 => self.change_images(),
            12 => self.fill_disk(),
            _ => self.change_outside(),
        }
    }

    pub fn change_engine(&mut self) {
        if !self.engine.up {
            self.engine.up = true;
            return;
        }
        match self.seed.below(3) {
            0 => {
                self.tally.met("outages");
                self.engine.up = false;
            }
            live => {
                let live = live == 1;
                let how = ["end", "live"][usize::from(live)];
                self.tally
                    .met(&format!("engine restarts, containers {how}"));
                self.engine.go_down(live);
                for client in self.clients.values_mut() {
                    client.interrupted_builds(&mut self.engine, &mut self.seed);
                }
            }
        }
    }

    fn change_images(&mut self) {
        let version = *self.seed.pick(&VERSIONS);
        let is_named = self.engine.name(version) != self.engine.image(version);
        if is_named && self.seed.once_in(2) {
            return self.make_image_again(version);
        }
        if self.engine.image(version).is_some() && !is_named && self.seed.once_in(2) {
            return self.name_image(version);
        }
        self.image_count += 1;
        let made = !self.seed.once_in(4);
        let id = made.then(|| scripts::image(version, self.image_count));
        self.engine.set_image(version, id);
        self.days.named.remove(version);
        if self.seed.once_in(2) {
            let recipe = scripts::recipe(self.image_count);
            self.engine.name_recipe(version, &recipe);
        }
        let what = ["missing images", "new images"][usize::from(made)];
        self.tally.met(what);
    }

    /// An image from before images had recipes gets one.
    fn name_image(&mut self, version: &'static str) {
        self.image_count += 1;
        let recipe = scripts::recipe(self.image_count);
        self.engine.name_recipe(version, &recipe);
        let id = self.engine.image(version);
        if self.image_as_known(version) == id {
            self.days.named.extend(id.map(|id| (version, id)));
            self.tally.met("images named by their recipe");
        }
    }

    /// By the same recipe, for another processor.
    fn make_image_again(&mut self, version: &'static str) {
        let name = self.engine.name(version).expect("it has a recipe");
        let (_, recipe) = name.rsplit_once('-').expect("a recipe");
        self.image_count += 1;
        let id = scripts::image(version, self.image_count);
        self.engine.set_image(version, Some(id));
        self.engine.name_recipe(version, recipe);
        self.days.named.remove(version);
        self.tally.met("images made again");
    }

    fn change_outside(&mut self) {
        let package = self.some_package();
        *self.outside.commits.entry(url(package)).or_default() += 1;
    }

    fn fill_disk(&mut self) {
        self.tally.met("disks filled");
        self.low = true;
        self.tell_room();
    }

    /// When the server wants to look at the clock, in the time of this world.
    fn deadline(&self) -> Option<u64> {
        let deadline = self.app.as_ref()?.deadline()?;
        Some(deadline.saturating_sub(self.mono_from))
    }

    fn let_time_pass(&mut self) {
        match (self.seed.below(4), self.deadline()) {
            (0, Some(at)) if at < self.ms + HOUR_MS => self.pass_to(at),
            _ => {
                let ms = self.seed.below(1_000) as u64;
                self.pass(ms);
            }
        }
        self.tell_time();
        self.check_nobody_overstays();
    }

    /// When something happens next that nobody does: the server looks at the clock, or something slow
    /// goes on.
    pub fn next_ms(&self) -> Option<u64> {
        let next = [
            self.deadline(),
            self.engine.next_ms(),
            self.silence_ends_ms(),
        ];
        next.into_iter().flatten().min()
    }

    pub fn tell_time(&mut self) {
        for _ in 0..100 {
            let is_over = self.app.as_ref().is_some_and(App::stopped);
            if is_over || self.deadline().is_none_or(|at| at > self.ms) {
                return;
            }
            if self.low {
                self.tell_room();
            }
            self.turn(Some(Event::Time));
        }
        panic!("it looks at the clock again and again, and does nothing");
    }

    fn move_on(&mut self) {
        self.pass(1);
        match self.seed.below(10) {
            0..=2 => drop(self.engine.go_on(&mut self.seed)),
            3 => drop(self.send()),
            _ if !self.clients.is_empty() => {
                let nth = self.seed.below(self.clients.len());
                let job = *self.clients.keys().nth(nth).expect("there are more");
                self.move_client(job);
            }
            _ => self.engine.catch_up(u64::MAX),
        }
        self.tell_time();
        self.check_nobody_overstays();
    }

    /// Everything that can move does. False: only time can help.
    pub fn move_all(&mut self) -> bool {
        let mut moved = self.engine.go_on(&mut self.seed) | self.send();
        let jobs: Vec<JobId> = self.clients.keys().copied().collect();
        for job in jobs {
            moved |= self.move_client(job);
        }
        moved
    }

    fn stop(&mut self) {
        self.tally.met("stops");
        let began = self.ms;
        self.perilous = false;
        self.draining = false;
        self.turn(Some(Event::Stop));
        while !self.app.as_ref().expect("it lives").stopped() {
            if !self.move_all() {
                let deadline = self.deadline().expect("it never stops");
                self.pass_to(deadline);
            }
            self.tell_time();
        }
        self.perilous = true;
        self.check_stopped(began);
        self.die();
    }

    /// With the engine back and time going on, everything promised ends, and nothing stays.
    pub fn come_to_rest(&mut self) {
        self.perilous = false;
        self.engine.up = true;
        self.engine.calm = true;
        self.all_nodes_serve();
        for version in VERSIONS {
            if self.engine.image(version).is_none() {
                self.engine
                    .set_image(version, Some(scripts::image(version, 1)));
            }
        }
        self.low = false;
        self.tell_room();
        if self.app.is_none() {
            self.open();
        }
        self.settle();
        assert!(self.asked.is_empty(), "a request was never answered");
        self.let_them_read(true);
        self.audience.assert_only_events_are_watched();
        self.count_audience();
        self.check_rest();
        self.ask_for_status();
        self.check_day();
        self.check_rest();
        // Nor does a new life find anything.
        self.die();
        self.open();
        self.settle();
        self.check_rest();
        let foreign = self.engine.foreign as u64;
        self.tally.count("containers of others", foreign);
        for what in std::mem::take(&mut self.engine.met) {
            self.tally.met(what);
        }
    }

    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            let moved = self.move_all();
            if self.app.is_none() {
                self.open();
            }
            self.tell_time();
            self.check_nobody_overstays();
            let app = self.app.as_ref().expect("it was opened");
            let idle = (app.running(), app.waiting()) == (0, 0) && self.clients.is_empty();
            match (moved, self.next_ms()) {
                (true, _) => {}
                (false, None) if idle => return,
                // What is planned for later is another day's work.
                (false, Some(at)) if idle && at > self.ms + 60_000 => return,
                (false, Some(at)) => {
                    self.pass_to(at);
                    self.tell_time();
                }
                (false, None) => break,
            }
        }
        let app = self.app.as_ref().expect("it lives");
        let (running, waiting) = (app.running(), app.waiting());
        panic!("{running} run, {waiting} wait: {:?}", self.clients);
    }

    fn count_audience(&mut self) {
        let audience = &self.audience;
        for (what, count) in [
            ("events", audience.events),
            ("resets", audience.resets),
            ("checks followed", audience.checks_followed),
            ("logs read", audience.logs_read),
        ] {
            self.tally.count(what, count);
        }
    }
}
