# shellcheck shell=bash
# The product's programs, as the machine gets them: at /opt/stackwarden/bin, read-only, on PATH.

# programs_into DIR: builds them and copies them there, so that a later build changes nothing under
# a machine's feet.
programs_into() {
    local profile=${LAB_PROFILE:-dev} begin target name
    if [ -n "${LAB_BIN:-}" ]; then
        copy_programs "$LAB_BIN" "$1"
        return
    fi
    command -v cargo >/dev/null || cannot 'there is no cargo to build the programs with' \
        'install Rust, or set LAB_BIN to a directory with the programs'
    begin=$(now_ms)
    # `cargo test` builds them, too, with other features of the crates that tests share with them: once is enough.
    if [ "$profile" != dev ] || [ -z "${TESTS_BUILT:-}" ]; then
        (cd "$LAB_REPO" && cargo build --quiet --locked --bins --profile "$profile") >&2 || die 'the programs could not be built'
        note "programs built, profile $profile ($(took "$begin"))"
    fi
    target=$(target_directory)
    [ "$profile" = dev ] && profile=debug # the one profile whose directory has another name
    rm -rf "$1/.new"
    mkdir "$1/.new"
    while read -r name; do
        cp "$target/$profile/$name" "$1/.new/$name"
    done < <(cd "$LAB_REPO" && cargo metadata --format-version 1 --no-deps --locked \
        | jq -r '.packages[].targets[] | select(.kind == ["bin"]).name')
    copy_programs "$1/.new" "$1"
    rm -rf "$1/.new"
}

# By renaming: a program that runs cannot be written to, but it can be replaced.
copy_programs() {
    local file
    for file in "$1"/*; do
        [ -f "$file" ] || die "there are no programs in $1"
        cp "$file" "$2/.${file##*/}.new"
        mv "$2/.${file##*/}.new" "$2/${file##*/}"
    done
}
