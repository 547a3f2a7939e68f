# What the scripts that read the output of `zig build --summary all` share: its lines, the steps of its summary, what a step said.
use strict;
use warnings;

our (@lines, @steps, $summary, $hash);

# Reads the files into @lines and @steps. The summary is the last one, since what a package prints itself comes before it; it is -1
# for a command that failed before its first step.
sub read_files {
    my $text = do { local (@ARGV, $/) = @_; join '', <> };
    # Escape sequences are removed whole, and then all other control characters.
    $text =~ s/\e(?:\[[0-?]*[ -\/]*[@-~]|[\]PX^_][^\a\e]*+(?:\a|\e\\)|[ -\/]*[0-~])//gs;
    $text =~ s/\xc2\x9b[0-?]*[ -\/]*[@-~]//g;
    $text =~ s/\r\n/\n/g;
    $text =~ s/[\x00-\x08\x0b-\x1f\x7f]//g;
    # What a command wrote last may have no line end.
    $text =~ s/(?<=[^\n])(?=Build Summary: \d+\/\d+ steps succeeded)/\n/g;
    @lines = split /\n/, $text;
    $summary = rindex_of(qr/^Build Summary: \d+\/\d+ steps succeeded/);
    $summary = -1 if $summary >= 0 && !read_steps();
}

# The index of the last line that matches, or -1.
sub rindex_of {
    my ($pattern) = @_;
    for (my $i = $#lines; $i >= 0; $i--) { return $i if $lines[$i] =~ $pattern }
    return -1;
}

# Reads the tree below the summary into @steps; false if Zig went on after it, so that it is not Zig's own.
sub read_steps {
    my $i = $summary + 1;
    for (; $i <= $#lines && $lines[$i] ne ''; $i++) {
        last if $lines[$i] =~ /^error: the following build command failed/;
        my $line = $lines[$i];
        $line =~ s/^((?:[ |]  )*)(?:[+|`]- )?//;
        my $depth = length($1) / 3 + ($lines[$i] =~ /^[ |]*[+`]- / ? 1 : 0);
        push @steps, { %{read_step($line)}, depth => $depth };
    }
    # The kind of a run step is told by what it runs, the step below it.
    for my $n (0 .. $#steps) {
        next unless $steps[$n]{kind} eq 'run' && $n < $#steps && $steps[$n + 1]{depth} > $steps[$n]{depth};
        $steps[$n]{kind} = 'test' if $steps[$n + 1]{name} =~ /^(?:compile|zig) test\b/;
    }
    my $rest = join "\n", @lines[$i .. $#lines];
    return @steps && $rest !~ /^error: (?:the following build command (?:crashed|terminated)|configure command)/m;
}

# The parts of a line of the tree. The status is read from its end, since a name can hold any word.
sub read_step {
    my ($line) = @_;
    my $cost = qr/(?: \d+(?:m|s|ms|us|ns))?(?: MaxRSS:\d+[BKMG])?/;
    my ($name, $status) = ($line, '');
    my ($time, $unit) = $line =~ / (\d+)(m|s|ms|us|ns)(?: MaxRSS:\d+[BKMG])?$/;
    my $ms = $time ? $time * { m => 60_000, s => 1_000, ms => 1, us => 0.001, ns => 0.000_001 }->{$unit} : 0;
    if ($line =~ /^(.*?) (transitive failure|failure|stderr|w|\d+ errors|skipped(?: \(not enough memory\).*)?)$/) {
        ($name, $status) = ($1, $2);
    } elsif ($line =~ /^(.*?) (\d+\/\d+ passed(?:, \d+ \w+)*)$/ || $line =~ /^(.*?) (\d+ pass(?:, \d+ \w+)* \(\d+ total\)(?:; \d+ [a-z ]+)*)$cost$/) {
        ($name, $status) = ($1, $2);
    } elsif ($line =~ /^(.*) (success|cached|\d+ passed(?: \d+ skipped)?)$cost$/) {
        ($name, $status) = ($1, $2);
    }
    my $state =
          $status eq 'transitive failure' ? 'transitive'
        : $status =~ /^skipped/ ? 'skipped'
        : $status =~ /^\d+ pass, (?!.*(?:fail|crash|timeout|leak|error))/ || $status =~ /^\d+ pass \(\d+ total\)$/ ? 'success'
        : $status =~ /^(?:success|cached|\d+ passed(?: \d+ skipped)?)$/ ? 'success'
        : $status eq '' ? 'other' : 'failed';
    my $kind =
          $name =~ /^(?:compile (?:exe|lib|obj|test)|zig (?:build-exe|build-lib|build-obj|test)|translate-c)\b/ ? 'compile'
        : $name =~ /^run / ? ($status =~ /pass/ ? 'test' : 'run')
        : $name =~ /^(?:install|options|WriteFile|UpdateSourceFiles|RemoveDir|objcopy|configure|fmt|zig fmt|CheckFile|check)\b/ ? 'plain' : 'other';
    return { name => $name, status => $status, state => $state, kind => $kind, ms => $ms };
}

# The lines that Zig printed for a failed step: below the path of steps that leads to it, up to the next such path.
sub block_of {
    my ($step) = @_;
    my $header = qr/^(?:   )*\+- \Q$step->{name} $step->{status}\E$/;
    for my $from (0 .. $summary - 1) {
        next unless $lines[$from] =~ $header;
        my $to = $from + 1;
        for (; $to < $summary; $to++) {
            last if $lines[$to] =~ /^\+- / && $to > $from + 1;
        }
        $to-- if $to < $summary; # the name of the top step above the next path
        return ($from + 1, @lines[$from + 1 .. $to - 1]);
    }
    return (-1);
}

# The name of the module or artifact that a step of the generated package compiles, if it does.
sub compiled_name {
    my ($step) = @_;
    return $step->{depth} == 1 && $step->{name} =~ /^(?:compile|zig) (?:build-)?(?:exe|lib|obj|test) (\S.*?) (?:Debug|debug)\b/ ? $1 : undef;
}

# What Zig said of a step that did not succeed or, if that waited for another one, of the first step that failed itself.
sub failure_of {
    my ($step) = @_;
    for ($step, @steps) { return block_of($_) if $_->{state} eq 'failed' }
    return (-1);
}

# The errors in the own files of the package $hash, or that a declaration of its own leads to: a package may show others what a
# dependency or the standard library has, and what was translated from C has declarations that no one can use.
sub own_errors {
    my (@own, $message, $is_own);
    for (@_, '') {
        my $starts = /^(\S[^:]*:\d+:\d+): error: (.*)/ || /^()error: (.*)/;
        my ($place, $text) = ($1, $2);
        if ($starts || $_ eq '') {
            push @own, $message if defined $message && $is_own;
            ($message, $is_own) = (undef, 0);
        }
        if ($starts && $place ne '') { $message = short_of($place) . ": $text"; $is_own = is_own($place) }
        elsif (defined $message && /^    \S.*: (\S+:\d+:\d+)$/) { $is_own ||= is_own($1) && $message !~ m{\.zig-cache/|cimport\.zig} }
    }
    return @own;
}

sub is_own { return index($_[0], "/$hash/") >= 0 && $_[0] !~ m{\.zig-cache/o/} }

# A path in the package, as its author knows it.
sub short_of {
    my ($path) = @_;
    $path =~ s{^.*/\Q$hash\E/}{};
    return $path;
}

# The index of the first line that matches, or -1.
sub first_of {
    my ($pattern) = @_;
    for my $i (0 .. $#lines) { return $i if $lines[$i] =~ $pattern }
    return -1;
}

# The library, header or program of the system that these lines miss, if they say so.
sub missing {
    my $all = join "\n", @_;
    return "system library $2" if $all =~ /unable to find (?:(?:dynamic|static) )?system library (['"])([^'"\n]+)\1/;
    return "system library $1" if $all =~ /error: unable to find library -l(\S+)/;
    return "framework $2" if $all =~ /unable to find (?:dynamic |static )?framework (['"])([^'"\n]+)\1/;
    return "system library $1" if $all =~ /pkg-config(?:: package not found:| failed for library) (\S+)/;
    return "the program $1" if $all =~ /failed to spawn(?: and capture stdio from)? ([^\/\s]+): FileNotFound/;
    if ($all =~ /failed to spawn(?: and capture stdio from)? (\S+): FileNotFound/ && (my $program = interpreter($1))) { return "the program $program" }
    return "the program $1" if $all =~ /(?:unable to spawn the following command: FileNotFound|the following command failed with FileNotFound:)\n([^\/\s]+)/;
    return "the program $1" if $all =~ /^error: FileNotFound$| in findProgram \(/m && $all =~ /findProgram\(\s*&\.\{\s*"([^"]+)"/;
    if ($all =~ /error: ['"]([\w.+\/-]+\.(?:h|hpp|hh|inc))['"] file not found/) {
        my $header = $1;
        my ($base) = $header =~ m{([^/]+)$};
        # Zig itself has it: the build asks for no libc, or for that of another system.
        my @known = glob "/opt/zig/lib/libc/include/*/$header";
        return if @known;
        # A header that the package or a dependency has somewhere is not the system's.
        open my $found, '-|', 'find', '/work/src', '/work/home/.cache/zig/p', '-name', $base, '-print', '-quit' or return;
        my $there = <$found>;
        return "system header $header" unless $there;
    }
    return;
}

# The program or library that a command could not find, if these lines, which it wrote, say so: a shell, env and pkg-config do.
sub missing_tool {
    my $all = join "\n", @_;
    return "the program $1" if $all =~ /^\S+: (?:line )?\d+: (?:exec: )?([^\s:\/]+): (?:command )?not found$/m;
    return "the program $1" if $all =~ /^(?:\S*\/)?env: (?:'|\xe2\x80\x98)([^\s'\/\xe2]+)(?:'|\xe2\x80\x99): No such file or directory$/m;
    return "the program $1" if $all =~ /: \/\S*?([^\s\/]+): bad interpreter: No such file or directory$/m;
    return "system library $1" if $all =~ /^Package (\S+) was not found in the pkg-config search path/m;
    return;
}

# The program that the first line of a script names, if this machine lacks it.
sub interpreter {
    my ($script) = @_;
    open my $in, '<', $script or return;
    my $line = <$in> // '';
    return $line =~ /^#!\s*(\/\S*?([^\s\/]+))\s/ && !-e $1 ? $2 : undef;
}

# The first error of a compiler in these lines, with its place.
sub first_error {
    for (@_) {
        next if /^error: (?:the following|\d+ compilation errors|process |translation failure$)/;
        return short($1) . ": $2" if /^(\S[^:]*:\d+:\d+): error: (.*)/;
        return $1 if /(?:^|\s)error: (?:error: )?(.+)/;
    }
    return;
}

# A path without what only the container knows.
sub short {
    my ($path) = @_;
    $path =~ s{^/work/src/}{};
    return $path;
}

1;
