//! The explanation for a person.

use std::path::Path;

use super::explanation::{
    CopyKind, Declarer, Directory, DirectoryState, DropInFile, Explanation, File, Scope, Setting, Standing,
    UnitCopy,
};

/// How wide the word in front of a copy or a line is.
const WORD: usize = 9;

/// Makes words bold, dim or coloured, or leaves them alone.
#[derive(Debug, Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("33", text)
    }
}

/// The explanation as text, with colour if asked for.
#[must_use]
pub fn text(explanation: &Explanation, colour: bool) -> String {
    let paint = Paint(colour);
    let mut lines = vec![paint.bold(&explanation.summary)];
    let mut section = |title: &str, body: Vec<String>| {
        if !body.is_empty() {
            lines.push(String::new());
            lines.push(paint.bold(title));
            lines.extend(body.into_iter().map(|line| format!("  {line}")));
        }
    };
    section("Why", explanation.reasons.iter().map(|reason| format!("- {}", reason.text)).collect());
    section(
        "Not known, because it could not be looked at",
        explanation.unchecked.iter().map(|problem| format!("- {problem}")).collect(),
    );
    section("Search path (the first directory wins)", search_path(explanation, paint));
    section("Drop-ins, in the order in which they are read", drop_ins(explanation, paint));
    section(
        "Settings on disk: what wins, and from where",
        explanation.settings.iter().flat_map(|setting| setting_lines(setting, paint)).collect(),
    );
    section("Pulled in by", pulls(explanation, paint));
    section("States", states(explanation));
    section("What the texts have that systemd ignores", explanation.on_disk.problems.clone());
    lines.join("\n")
}

fn word(text: &str) -> String {
    format!("{text:<WORD$}")
}

fn search_path(explanation: &Explanation, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, directory) in explanation.search_path.iter().enumerate() {
        lines.push(directory_line(index + 1, directory, paint));
        for copy in &directory.copies {
            lines.push(format!("       {}", copy_line(copy, explanation, paint)));
        }
        for drop_ins in &directory.drop_in_directories {
            let scope = scope_word(drop_ins.scope);
            let files = match (&drop_ins.problem, drop_ins.files.as_slice()) {
                (Some(problem), _) => paint.bad(problem),
                (None, []) => "empty".to_owned(),
                (None, files) => files.join(", "),
            };
            let name = file_name(&drop_ins.path);
            let file = drop_ins.file.as_ref().map_or_else(String::new, |file| format!(" {}", whose(file)));
            lines.push(format!("       {}{name}/ ({scope}): {files}{}", word("drop-ins"), paint.dim(&file)));
        }
    }
    lines
}

fn directory_line(number: usize, directory: &Directory, paint: Paint) -> String {
    let real = arrow(directory.real.as_deref());
    let line = format!("{number:>2}  {:<15} {}{real}", directory.whose, directory.path.display());
    match directory.state {
        DirectoryState::Missing => paint.dim(&format!("{line} (does not exist)")),
        DirectoryState::Unreadable => format!("{line} {}", paint.bad("(cannot be read)")),
        DirectoryState::Listed if directory.copies.is_empty() && directory.drop_in_directories.is_empty() => {
            paint.dim(&line)
        }
        DirectoryState::Listed => line,
    }
}

fn copy_line(copy: &UnitCopy, explanation: &Explanation, paint: Paint) -> String {
    let standing = match copy.standing {
        Standing::Wins => paint.good(&word("wins")),
        Standing::Shadowed => paint.bad(&word("shadowed")),
        Standing::Skipped => paint.bad(&word("skipped")),
    };
    let kind = match copy.kind {
        CopyKind::File => "file",
        CopyKind::Link => "link",
        CopyKind::Alias => "alias",
        CopyKind::Mask => "mask",
        CopyKind::Dangling => "dangling link",
        CopyKind::Other => "no unit file",
    };
    let mut line = format!("{standing}{}{}", copy.name, arrow(copy.link.as_deref()));
    if copy.name != explanation.unit && copy.name == explanation.id {
        line.push_str(" (its main name)");
    }
    let file =
        copy.file.as_ref().map_or_else(|| " gone since".to_owned(), |file| format!(" {}", whose(file)));
    let why = copy.skipped_because.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!("{line} {}{}", paint.dim(&format!("{kind},{file}")), paint.bad(&why))
}

/// Owner, mode and time; of a link only the owner and when it was made mean something.
fn whose(file: &File) -> String {
    match file.file_type {
        "link" => format!("{}, {}", file.owner, file.modified),
        _ => format!("{}, {}, {}", file.owner, file.mode, file.changed),
    }
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Unit => "for this unit",
        Scope::Template => "for the template",
        Scope::Prefix => "for the prefix",
        Scope::Type => "for the type",
    }
}

fn drop_ins(explanation: &Explanation, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for drop_in in &explanation.drop_ins {
        lines.push(drop_in_line(drop_in, paint));
        let rivals = drop_in.beats.iter().map(|path| (path, "beats"));
        let rivals = rivals.chain(drop_in.contested.iter().map(|path| (path, "or")));
        lines.extend(rivals.map(|(path, how)| paint.dim(&format!("    {how} {}", path.display()))));
    }
    lines
}

fn drop_in_line(drop_in: &DropInFile, paint: Paint) -> String {
    let (name, target) = (paint.bold(&drop_in.name), arrow(drop_in.link.as_deref()));
    let mut line = format!("{name}  {}{target}", drop_in.path.display());
    let mut notes = vec![drop_in.whose.to_owned(), scope_word(drop_in.scope).to_owned()];
    notes.extend(drop_in.file.as_ref().map(whose));
    line.push_str(&paint.dim(&format!(" ({})", notes.join(", "))));
    let end = drop_in.leads_to.as_ref().map(|end| format!(" leads to {end}"));
    if !drop_in.effective {
        line.push_str(&paint.bad(&format!("{}: changes nothing", end.unwrap_or_default())));
    }
    if drop_in.loaded == Some(false) {
        line.push_str(&paint.bad(" not loaded"));
    }
    line
}

fn setting_lines(setting: &Setting, paint: Paint) -> Vec<String> {
    let name = format!("[{}] {}", setting.section, setting.key);
    let in_force = setting.lines.iter().any(|line| line.in_force && !line.value.is_empty());
    let mut lines = Vec::new();
    if !in_force {
        lines.push(format!("{name} = {}", paint.dim("(default)")));
    }
    for line in &setting.lines {
        let place = format!("{}:{}", line.file.display(), line.line);
        if line.in_force && !line.value.is_empty() {
            lines.push(format!("{name} = {}  {}", line.value, paint.dim(&place)));
        } else {
            let what = if line.value.is_empty() { "reset" } else { "overridden" };
            lines.push(paint.dim(&format!("    {what}: {} = {}  {place}", line.key, line.value)));
        }
    }
    lines
}

fn pulls(explanation: &Explanation, paint: Paint) -> Vec<String> {
    let line = |pull: &super::explanation::Pull| {
        let link = pull.link.as_ref().map_or_else(|| "no link".to_owned(), |link| link.display().to_string());
        let file = pull.file.as_ref().map_or_else(String::new, |file| format!(" ({})", whose(file)));
        let idle = if pull.in_force { String::new() } else { paint.bad(" has no effect") };
        format!("{} ({}): {} -> {link}{}{idle}", pull.by, pull.kind, pull.path.display(), paint.dim(&file))
    };
    explanation.pulled_in_by.iter().map(line).collect()
}

fn states(explanation: &Explanation) -> Vec<String> {
    let path =
        |path: Option<&Path>| path.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let drop_ins = |count: usize| match count {
        0 => String::new(),
        1 => ", 1 drop-in".to_owned(),
        count => format!(", {count} drop-ins"),
    };
    let disk = &explanation.on_disk;
    let mut lines = vec![format!(
        "{:<9} {}: {}{}",
        "on disk",
        disk.load_state,
        path(disk.fragment.as_deref()),
        drop_ins(disk.drop_ins.len())
    )];
    lines.push(match (&explanation.loaded, &explanation.manager) {
        (Some(loaded), _) if !loaded.in_memory => {
            format!("{:<9} not in memory: the manager reads the disk when the unit is needed", "loaded")
        }
        (Some(loaded), _) => format!(
            "{:<9} {}: {}{}; {} ({})",
            "loaded",
            loaded.load_state,
            path(loaded.fragment.as_deref()),
            drop_ins(loaded.drop_ins.len()),
            loaded.active_state,
            loaded.sub_state
        ),
        (None, Some(_)) => format!("{:<9} nothing", "loaded"),
        (None, None) => format!("{:<9} not known: the manager could not be asked", "loaded"),
    });
    lines.push(match &explanation.declared {
        None => format!("{:<9} not by Stackwarden, and not observed", "declared"),
        Some(declared) => {
            let by = match (declared.by, &declared.stack) {
                (Declarer::Stack, Some(stack)) => format!("by stack {stack}"),
                (Declarer::Orphan, Some(stack)) => format!("once, by stack {stack}, which is gone"),
                (Declarer::Observed, _) => "by somebody else, and observed".to_owned(),
                _ => "by Stackwarden itself".to_owned(),
            };
            let text = match declared.text_is_sealed {
                Some(true) => ", text as sealed",
                Some(false) => ", another text than sealed",
                None => "",
            };
            format!("{:<9} {by}: {}{text}", "declared", path(declared.fragment.as_deref()))
        }
    });
    lines.extend(explanation.differences.iter().map(|difference| {
        let (first, second) = match difference.between {
            super::Between::DeclaredAndDisk => ("declared", "on disk"),
            super::Between::DeclaredAndLoaded => ("declared", "loaded"),
            super::Between::DiskAndLoaded => ("on disk", "loaded"),
        };
        format!(
            "{:<9} {}: {first} {}; {second} {}",
            "differs", difference.what, difference.expected, difference.seen
        )
    }));
    lines
}

fn arrow(link: Option<&Path>) -> String {
    link.map_or_else(String::new, |link| format!(" -> {}", link.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
