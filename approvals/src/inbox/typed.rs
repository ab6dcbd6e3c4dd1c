//! What somebody typed into a form that was refused: the page that says why has it again.

/// What stood in one form of a page; empty on a page that no form led to.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    /// What the form does, as the history names it.
    pub(super) form: &'static str,
    /// The reason that was picked.
    pub(super) preset: String,
    /// What they said in their own words.
    pub(super) words: String,
    /// To how many uses they said yes.
    pub(super) uses: Option<i64>,
}

impl Typed {
    /// A form of which only words are kept.
    pub(super) fn words(form: &'static str, words: &str) -> Self {
        Self { form, words: words.into(), ..Self::default() }
    }

    pub(super) fn is_in(&self, form: &str) -> bool {
        self.form == form
    }

    /// The words that stand in that form.
    pub(super) fn of(&self, form: &str) -> &str {
        if self.is_in(form) { &self.words } else { "" }
    }

    pub(super) fn picked(&self, preset: &str) -> bool {
        self.preset == preset
    }
}
