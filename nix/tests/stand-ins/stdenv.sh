# shellcheck shell=bash
# What nixpkgs gives the commands that make a package, as far as ours and Home Manager's call it.
: "${out:?}"

installManPage() {
    local path
    for path; do install -D -m 644 -T -- "$path" "$out/share/man/man${path##*.}/${path##*/}"; done
}

installShellCompletion() {
    local word directory='' name
    for word; do
        name=${word##*/}
        case $word in
        --bash) directory=bash-completion/completions ;;
        --fish) directory=fish/vendor_completions.d ;;
        --zsh) directory=zsh/site-functions ;;
        *)
            [ "$directory" != zsh/site-functions ] || name=_${name#_}
            install -D -m 644 -T -- "$word" "$out/share/$directory/$name"
            ;;
        esac
    done
}

substitute() { # IN OUT --subst-var-by NAME VALUE
    local text
    text=$(cat "$1")
    [ "$3" = --subst-var-by ]
    [ ! -e "$2" ] || chmod +w "$2"
    printf '%s\n' "${text//"@$4@"/"$5"}" >"$2"
}
substituteInPlace() { substitute "$1" "$@"; }
