namespace Kotonoha.Tokenizers;

/// <summary>What an instruction of a compiled pattern does.</summary>
internal enum RegexOperation
{
    /// <summary>Takes one code point of a set.</summary>
    Set,

    /// <summary>Takes code points of a set, between two numbers of them.</summary>
    RepeatSet,

    /// <summary>Goes on at one place and, if that fails, at another.</summary>
    Split,

    /// <summary>Goes on at another place.</summary>
    Jump,

    /// <summary>Checks a condition on the place.</summary>
    Anchor,

    /// <summary>Runs a part by itself and keeps its first match.</summary>
    Atomic,

    /// <summary>Runs a part by itself as a condition on what follows.</summary>
    LookAhead,

    /// <summary>Runs a part by itself as a condition on what stands before.</summary>
    LookBehind,

    /// <summary>Notes where an iteration starts.</summary>
    IterationStart,

    /// <summary>Leaves the loop after an iteration that took nothing.</summary>
    IterationEnd,

    /// <summary>The end of the pattern or of a part that is run by itself.</summary>
    End,
}

/// <summary>One step of a compiled pattern.</summary>
/// <param name="Operation">What it does.</param>
internal readonly record struct RegexInstruction(RegexOperation Operation)
{
    /// <summary>The code points that are taken.</summary>
    public CodePointSet? Set { get; init; }

    /// <summary>Where to go on: the first branch of a split, the target of a jump, what follows a part that is run by itself.</summary>
    public int Target { get; init; }

    /// <summary>The second branch of a split.</summary>
    public int Other { get; init; }

    /// <summary>The fewest code points: of a repetition, or that a look behind reaches back.</summary>
    public int Min { get; init; }

    /// <summary>The most code points.</summary>
    public int Max { get; init; }

    public RegexGreed Greed { get; init; }

    public RegexAnchor Anchor { get; init; }

    public bool IsNegative { get; init; }

    /// <summary>The number of the loop, or of the instruction among those whose failures are remembered.</summary>
    public int Slot { get; init; }
}

/// <summary>Turns a parsed pattern into instructions.</summary>
internal sealed class RegexCompiler
{
    private const int MaxInstructions = 50_000;

    private readonly string _pattern;
    private readonly List<RegexInstruction> _code = [];
    private int _loops;
    private int _forks;

    private RegexCompiler(string pattern) => _pattern = pattern;

    /// <summary>Compiles a pattern.</summary>
    /// <returns>The instructions, the number of loops that need a check for empty iterations, and the number of instructions that can fail
    /// in two ways.</returns>
    public static (RegexInstruction[] Code, int Loops, int Forks) Compile(string pattern, RegexNode node)
    {
        var compiler = new RegexCompiler(pattern);
        compiler.Emit(node);
        compiler.Add(new(RegexOperation.End));
        return ([.. compiler._code], compiler._loops, compiler._forks);
    }

    /// <summary>The code points that a match can start with, or null when it may be empty.</summary>
    public static CodePointSet? FirstOf(RegexNode node)
    {
        switch (node)
        {
            case RegexNode.Set set:
                return set.CodePoints;
            case RegexNode.Choice choice:
                var all = CodePointSet.Empty;
                foreach (var option in choice.Options)
                    if (FirstOf(option) is { } first)
                        all = all.Union(first);
                    else
                        return null;
                return all;
            case RegexNode.Repeat repeat:
                return repeat.Min > 0 ? FirstOf(repeat.Body) : null;
            case RegexNode.Atomic atomic:
                return FirstOf(atomic.Body);
            case RegexNode.Sequence sequence:
                // What stands before the first part that takes something may be left out or be a condition.
                var sofar = CodePointSet.Empty;
                foreach (var part in sequence.Parts)
                    if (FirstOf(part) is { } first)
                        return sofar.Union(first);
                    else if (part is RegexNode.Repeat { Body: RegexNode.Set optional })
                        sofar = sofar.Union(optional.CodePoints);
                    else if (part is not (RegexNode.Look or RegexNode.Anchor))
                        return null;
                return null;
            default:
                return null;
        }
    }

    private int Add(RegexInstruction instruction)
    {
        if (_code.Count == MaxInstructions)
            throw new TokenizerException($"pattern '{_pattern}' is too large: its repetitions spell out to more than "
                + $"{MaxInstructions} steps. Use smaller intervals.");
        _code.Add(instruction);
        return _code.Count - 1;
    }

    private void Emit(RegexNode node)
    {
        switch (node)
        {
            case RegexNode.Set set:
                Add(new(RegexOperation.Set) { Set = set.CodePoints });
                break;
            case RegexNode.Sequence sequence:
                foreach (var part in sequence.Parts)
                    Emit(part);
                break;
            case RegexNode.Choice choice:
                EmitChoice(choice);
                break;
            case RegexNode.Anchor anchor:
                Add(new(RegexOperation.Anchor) { Anchor = anchor.Kind });
                break;
            case RegexNode.Atomic atomic:
                EmitApart(new(RegexOperation.Atomic), atomic.Body);
                break;
            case RegexNode.Look { IsBehind: false } look:
                EmitApart(new(RegexOperation.LookAhead) { IsNegative = look.IsNegative }, look.Body);
                break;
            case RegexNode.Look look:
                var (min, max) = LengthOf(look.Body);
                if (max == int.MaxValue)
                    throw new TokenizerException(
                        $"pattern '{_pattern}' looks behind without a limit. Give what is looked for a longest length.");
                EmitApart(new(RegexOperation.LookBehind) { IsNegative = look.IsNegative, Min = min, Max = max }, look.Body);
                break;
            case RegexNode.Repeat { Body: RegexNode.Set set } repeat:
                Add(new(RegexOperation.RepeatSet)
                {
                    Set = set.CodePoints,
                    Min = repeat.Min,
                    Max = repeat.Max,
                    Greed = repeat.Greed,
                    Slot = _forks++
                });
                break;
            case RegexNode.Repeat { Greed: RegexGreed.Possessive } repeat:
                EmitApart(new(RegexOperation.Atomic), repeat with { Greed = RegexGreed.Greedy });
                break;
            case RegexNode.Repeat repeat:
                EmitRepeat(repeat);
                break;
        }
    }

    private void EmitApart(RegexInstruction instruction, RegexNode body)
    {
        int start = Add(instruction);
        Emit(body);
        Add(new(RegexOperation.End));
        _code[start] = instruction with { Target = _code.Count };
    }

    private void EmitChoice(RegexNode.Choice choice)
    {
        var jumps = new List<int>();
        for (int i = 0; i < choice.Options.Count - 1; i++)
        {
            int split = Add(new(RegexOperation.Split) { Target = _code.Count + 1, Slot = _forks++ });
            Emit(choice.Options[i]);
            jumps.Add(Add(new(RegexOperation.Jump)));
            _code[split] = _code[split] with { Other = _code.Count };
        }

        Emit(choice.Options[^1]);
        foreach (int jump in jumps)
            _code[jump] = _code[jump] with { Target = _code.Count };
    }

    private void EmitRepeat(RegexNode.Repeat repeat)
    {
        // An empty iteration makes no difference however often it is repeated.
        bool isNullable = LengthOf(repeat.Body).Min == 0;
        bool lazy = repeat.Greed == RegexGreed.Lazy;
        for (int i = 0; i < repeat.Min; i++)
            Emit(repeat.Body);
        if (repeat.Max == int.MaxValue)
        {
            int slot = isNullable ? _loops++ : -1;
            int split = Add(new(RegexOperation.Split) { Slot = _forks++ });
            if (isNullable)
                Add(new(RegexOperation.IterationStart) { Slot = slot });
            Emit(repeat.Body);
            if (isNullable)
                Add(new(RegexOperation.IterationEnd) { Slot = slot, Target = split, Other = _code.Count + 1 });
            else
                Add(new(RegexOperation.Jump) { Target = split });
            Fork(split, split + 1, _code.Count, lazy);
            return;
        }

        var splits = new List<int>();
        for (int i = repeat.Min; i < repeat.Max; i++)
        {
            splits.Add(Add(new(RegexOperation.Split) { Slot = _forks++ }));
            Emit(repeat.Body);
        }

        foreach (int split in splits)
            Fork(split, split + 1, _code.Count, lazy);
    }

    private void Fork(int split, int into, int past, bool lazy)
        => _code[split] = _code[split] with { Target = lazy ? past : into, Other = lazy ? into : past };

    /// <summary>The fewest and the most code points that a part takes.</summary>
    private static (int Min, int Max) LengthOf(RegexNode node)
    {
        switch (node)
        {
            case RegexNode.Set:
                return (1, 1);
            case RegexNode.Atomic atomic:
                return LengthOf(atomic.Body);
            case RegexNode.Sequence sequence:
                var (sumMin, sumMax) = (0L, 0L);
                foreach (var part in sequence.Parts)
                {
                    var (min, max) = LengthOf(part);
                    (sumMin, sumMax) = (sumMin + min, max == int.MaxValue ? int.MaxValue : sumMax + max);
                }

                return (Clamped(sumMin), Clamped(sumMax));
            case RegexNode.Choice choice:
                var lengths = choice.Options.Select(LengthOf).ToArray();
                return (lengths.Min(l => l.Min), lengths.Max(l => l.Max));
            case RegexNode.Repeat repeat:
                var body = LengthOf(repeat.Body);
                return (Clamped((long)body.Min * repeat.Min), body.Max == 0 ? 0
                    : body.Max == int.MaxValue ? int.MaxValue
                    : Clamped((long)body.Max * repeat.Max));
            default:
                return (0, 0);
        }
    }

    private static int Clamped(long length) => (int)Math.Min(length, int.MaxValue);
}
