using System.Runtime.CompilerServices;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Where a pattern matches, in UTF-16 units.</summary>
/// <param name="Start">The first unit.</param>
/// <param name="End">The unit after the last.</param>
internal readonly record struct RegexMatch(int Start, int End);

/// <summary>
/// Runs a pattern over one text: a backtracking machine with a stack of its own. Once a text costs more than an ordinary one should, the
/// places where an instruction has failed are remembered (a failure does not depend on how the place was reached), so that none fails
/// twice.
/// </summary>
internal sealed class RegexMatcher
{
    private const int Fail = -1;
    private const long BaseSteps = 1_000_000;
    private const long StepsPerUnit = 2_000;
    private const int MaxStack = 1 << 22;
    private const long MaxRemembered = 1L << 29;
    private const int RememberAfterPerUnit = 16;
    private const int KeptStack = 1 << 14;

    [ThreadStatic]
    private static RegexMatcher? _kept;

    private BoundedRegex _regex = null!;
    private RegexInstruction[] _code = [];
    private Entry[] _stack = new Entry[64];
    private int _stackCount;
    private int[] _iterations = [];
    private Run[] _runs = [];
    private ulong[]? _failures;
    private bool _remembers;
    private int _units;
    private long _stepLimit;
    private long _rememberAfter;

    private enum EntryKind
    {
        /// <summary>Go on at an instruction and a place.</summary>
        Resume,

        /// <summary>A greedy repetition that can give back.</summary>
        GiveBack,

        /// <summary>A lazy repetition that can take more.</summary>
        TakeMore,

        /// <summary>All that an instruction could do at a place has failed.</summary>
        Failed,

        /// <summary>The former start of a loop's iteration.</summary>
        Restore,
    }

    /// <summary>The steps so far.</summary>
    public long Steps { get; private set; }

    public static RegexMatcher Rent(BoundedRegex regex, int units)
    {
        var matcher = _kept ?? new RegexMatcher();
        _kept = null;
        (matcher._regex, matcher._code, matcher._units) = (regex, regex.Code, units);
        matcher.Steps = 0;
        matcher._stepLimit = BaseSteps + StepsPerUnit * units;
        matcher._remembers = regex.Loops == 0;
        matcher._rememberAfter = matcher._remembers ? RememberAfterPerUnit * (units + 64L) : long.MaxValue;
        matcher._failures = null;
        if (matcher._iterations.Length < regex.Loops)
            matcher._iterations = new int[regex.Loops];
        if (matcher._runs.Length < regex.Forks)
            matcher._runs = new Run[regex.Forks];
        Array.Fill(matcher._runs, new Run { Start = -1, End = -1 }, 0, regex.Forks);
        return matcher;
    }

    public void Return()
    {
        _failures = null;
        if (_stack.Length > KeptStack)
            _stack = new Entry[64];
        _kept = this;
    }

    /// <summary>Finds the first match from an index on.</summary>
    public bool Find(ReadOnlySpan<char> text, int start, out RegexMatch match)
    {
        var first = _regex.First;
        while (start <= text.Length)
        {
            if (first is not null)
            {
                int next = start;
                while (start < text.Length && !first.Contains(CodePoints.Next(text, ref next)))
                    start = next;
                if (start == text.Length)
                    break;
            }

            _stackCount = 0;
            int end = Execute(text, 0, start, Fail);
            if (end != Fail)
            {
                match = new RegexMatch(start, end);
                return true;
            }

            if (start == text.Length)
                break;
            _ = CodePoints.Next(text, ref start);
        }

        match = default;
        return false;
    }

    /// <summary>
    /// Runs from an instruction to its end; returns the place that was reached. If an end is given, only that end counts.
    /// </summary>
    private int Execute(ReadOnlySpan<char> text, int pc, int at, int wantedEnd)
    {
        int ground = _stackCount;
        while (true)
        {
            if (++Steps > _rememberAfter && _failures is null)
                StartRemembering();
            if (Steps > _stepLimit)
                throw Exceeded($"{_stepLimit:N0} steps");
            ref readonly var instruction = ref _code[pc];
            bool ok = true;
            switch (instruction.Operation)
            {
                case RegexOperation.Set:
                    if (at < text.Length && instruction.Set!.Contains(CodePoints.Next(text, ref at)))
                        pc++;
                    else
                        ok = false;
                    break;
                case RegexOperation.RepeatSet:
                    ok = Repeat(text, pc, in instruction, ref at, _remembers && wantedEnd == Fail);
                    pc++;
                    break;
                case RegexOperation.Split:
                    if (wantedEnd == Fail && _failures is not null)
                    {
                        if (HasFailed(instruction.Slot, at))
                        {
                            ok = false;
                            break;
                        }

                        Push(EntryKind.Failed, instruction.Slot, at, 0);
                    }

                    Push(EntryKind.Resume, instruction.Other, at, 0);
                    pc = instruction.Target;
                    break;
                case RegexOperation.Jump:
                    pc = instruction.Target;
                    break;
                case RegexOperation.Anchor:
                    ok = Holds(text, at, instruction.Anchor);
                    pc++;
                    break;
                case RegexOperation.Atomic:
                    at = Execute(text, pc + 1, at, Fail);
                    ok = at != Fail;
                    pc = instruction.Target;
                    break;
                case RegexOperation.LookAhead:
                    ok = Execute(text, pc + 1, at, Fail) != Fail != instruction.IsNegative;
                    pc = instruction.Target;
                    break;
                case RegexOperation.LookBehind:
                    ok = IsBehind(text, pc, in instruction, at) != instruction.IsNegative;
                    pc = instruction.Target;
                    break;
                case RegexOperation.IterationStart:
                    Push(EntryKind.Restore, instruction.Slot, _iterations[instruction.Slot], 0);
                    _iterations[instruction.Slot] = at;
                    pc++;
                    break;
                case RegexOperation.IterationEnd:
                    pc = at == _iterations[instruction.Slot] ? instruction.Other : instruction.Target;
                    break;
                case RegexOperation.End:
                    if (wantedEnd == Fail || at == wantedEnd)
                    {
                        _stackCount = ground;
                        return at;
                    }

                    ok = false;
                    break;
            }

            if (!ok && !Backtrack(text, ground, _remembers && wantedEnd == Fail, ref pc, ref at))
                return Fail;
        }
    }

    /// <summary>Takes up what is left to try; false when there is nothing.</summary>
    private bool Backtrack(ReadOnlySpan<char> text, int ground, bool learns, ref int pc, ref int at)
    {
        while (_stackCount > ground)
        {
            Steps++;
            ref var entry = ref _stack[_stackCount - 1];
            switch (entry.Kind)
            {
                case EntryKind.Resume:
                    (pc, at) = (entry.Pc, entry.At);
                    _stackCount--;
                    return true;
                case EntryKind.Failed:
                    Remember(entry.Pc, entry.At);
                    _stackCount--;
                    break;
                case EntryKind.Restore:
                    _iterations[entry.Pc] = entry.At;
                    _stackCount--;
                    break;
                case EntryKind.GiveBack when GiveBack(text, ref entry, learns):
                case EntryKind.TakeMore when TakeMore(text, ref entry):
                    (pc, at) = (entry.Pc + 1, entry.At);
                    return true;
                default:
                    _stackCount--;
                    break;
            }
        }

        return false;
    }

    /// <summary>Takes a greedy repetition one code point back, if it can give back more.</summary>
    private bool GiveBack(ReadOnlySpan<char> text, ref Entry entry, bool learns)
    {
        // What is after the repetition has failed at entry.At, and at every place that takes more.
        if (learns && _code[entry.Pc].Max == int.MaxValue)
        {
            int slot = _code[entry.Pc].Slot;
            if (_failures is not null)
                Remember(slot, entry.At);
            ref var run = ref _runs[slot];
            if (entry.At >= run.Start && entry.At < run.FailedFrom)
                run.FailedFrom = entry.At;
        }

        if (entry.At <= entry.Bound)
            return false;
        entry.At = Before(text, entry.At, entry.Bound);
        return true;
    }

    /// <summary>Takes one code point more into a lazy repetition, if it may.</summary>
    private bool TakeMore(ReadOnlySpan<char> text, ref Entry entry)
    {
        int next = entry.At;
        if (entry.Bound == 0 || next >= text.Length || !_code[entry.Pc].Set!.Contains(CodePoints.Next(text, ref next)))
            return false;
        entry.At = next;
        if (entry.Bound != int.MaxValue)
            entry.Bound--;
        return true;
    }

    private bool Repeat(ReadOnlySpan<char> text, int pc, in RegexInstruction instruction, ref int at, bool learns)
    {
        var set = instruction.Set!;
        int taken = 0, next = at;
        while (taken < instruction.Min)
        {
            if (next >= text.Length || !set.Contains(CodePoints.Next(text, ref next)))
                return false;
            taken++;
            at = next;
        }

        Steps += taken;
        if (instruction.Greed == RegexGreed.Lazy)
        {
            Push(EntryKind.TakeMore, pc, at, instruction.Max == int.MaxValue ? int.MaxValue : instruction.Max - taken);
            return true;
        }

        int bound = at;
        if (instruction.Max == int.MaxValue)
        {
            learns &= instruction.Greed == RegexGreed.Greedy;
            if (learns && _failures is not null && HasFailed(instruction.Slot, bound))
                return false;
            ref var run = ref _runs[instruction.Slot];
            if (bound < run.Start || bound > run.End)
                run = WalkRun(text, instruction.Slot, set, bound, learns && _failures is not null);
            if (learns && bound >= run.FailedFrom)
                return false;
            at = learns && run.FailedFrom <= run.End ? Before(text, run.FailedFrom, bound) : run.End;
        }
        else
        {
            while (taken < instruction.Max && next < text.Length && set.Contains(CodePoints.Next(text, ref next)))
            {
                taken++;
                at = next;
            }

            Steps += at - bound;
        }

        if (instruction.Greed == RegexGreed.Greedy && (at > bound || learns))
            Push(EntryKind.GiveBack, pc, at, bound);
        return true;
    }

    /// <summary>Finds the end of a run of one set, or the place in it from which on all has failed.</summary>
    private Run WalkRun(ReadOnlySpan<char> text, int slot, CodePointSet set, int start, bool looksForFailures)
    {
        int at = start, next = start;
        while (next < text.Length && set.Contains(CodePoints.Next(text, ref next)))
        {
            at = next;
            if (looksForFailures && HasFailed(slot, at))
            {
                Steps += at - start;
                return new Run { Start = start, End = at, FailedFrom = at };
            }
        }

        Steps += at - start;
        return new Run { Start = start, End = at, FailedFrom = int.MaxValue };
    }

    /// <summary>The place one code point earlier, but not before a bound.</summary>
    private static int Before(ReadOnlySpan<char> text, int at, int bound)
        => at - 2 >= bound && char.IsSurrogatePair(text[at - 2], text[at - 1]) ? at - 2 : at - 1;

    private bool IsBehind(ReadOnlySpan<char> text, int pc, in RegexInstruction instruction, int at)
    {
        int start = at;
        for (int length = 0; length <= instruction.Max; length++)
        {
            if (length >= instruction.Min && Execute(text, pc + 1, start, at) != Fail)
                return true;
            if (start == 0)
                break;
            start -= start > 1 && char.IsSurrogatePair(text[start - 2], text[start - 1]) ? 2 : 1;
        }

        return false;
    }

    private bool Holds(ReadOnlySpan<char> text, int at, RegexAnchor anchor) => anchor switch
    {
        RegexAnchor.TextStart => at == 0,
        RegexAnchor.TextEnd => at == text.Length,
        RegexAnchor.LastLineEnd => at == text.Length || (at == text.Length - 1 && text[at] == '\n'),
        RegexAnchor.LineStart => at == 0 || (text[at - 1] == '\n' && (at < text.Length || _regex.Dialect == RegexDialect.Rust)),
        RegexAnchor.LineEnd => at == text.Length || text[at] == '\n',
        RegexAnchor.WordBoundary => IsWordBefore(text, at) != IsWordAt(text, at),
        _ => IsWordBefore(text, at) == IsWordAt(text, at),
    };

    private bool IsWordAt(ReadOnlySpan<char> text, int at) => at < text.Length && _regex.Word.Contains(CodePoints.Next(text, ref at));

    private bool IsWordBefore(ReadOnlySpan<char> text, int at)
    {
        if (at == 0)
            return false;
        at -= at > 1 && char.IsSurrogatePair(text[at - 2], text[at - 1]) ? 2 : 1;
        return IsWordAt(text, at);
    }

    private void StartRemembering()
    {
        long wanted = (long)Math.Max(1, _regex.Forks) * (_units + 1L);
        if (wanted > MaxRemembered)
            _rememberAfter = long.MaxValue;
        else
            _failures = new ulong[(wanted + 63) / 64];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool HasFailed(int slot, int at)
    {
        long bit = (long)slot * (_units + 1L) + at;
        return (_failures![bit >> 6] >> (int)(bit & 63) & 1) != 0;
    }

    private void Remember(int slot, int at)
    {
        long bit = (long)slot * (_units + 1L) + at;
        _failures![bit >> 6] |= 1UL << (int)(bit & 63);
    }

    private void Push(EntryKind kind, int pc, int at, int bound)
    {
        if (_stackCount == _stack.Length)
        {
            if (_stackCount >= MaxStack)
                throw Exceeded($"{MaxStack:N0} open choices");
            Array.Resize(ref _stack, 2 * _stack.Length);
        }

        _stack[_stackCount++] = new Entry { Kind = kind, Pc = pc, At = at, Bound = bound };
    }

    private TokenizerException Exceeded(string bound)
        => new($"pattern '{_regex.Pattern}' took more than {bound} on a text of {_units:N0} characters. Use a pattern that cannot match "
            + "in so many ways.");

    /// <summary>
    /// A run of a repetition's set that was walked along, so that starting again further inside costs nothing, and from where on in it
    /// whatever follows the repetition has failed.
    /// </summary>
    private struct Run
    {
        public int Start;
        public int End;
        public int FailedFrom;
    }

    private struct Entry
    {
        public EntryKind Kind;
        public int Pc;
        public int At;
        public int Bound;
    }
}
