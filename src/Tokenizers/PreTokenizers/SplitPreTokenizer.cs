using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Cuts pieces at the matches of a pattern.</summary>
internal sealed class SplitPreTokenizer : IPreTokenizer
{
    private readonly string _pattern;
    private readonly bool _isRegex;
    private readonly SplitBehavior _behavior;
    private readonly bool _invert;
    private readonly WordScanner? _scanner;
    private readonly BoundedRegex _regex;

    /// <summary>Creates the component.</summary>
    /// <param name="pattern">A regular expression, or a plain text.</param>
    /// <param name="isRegex">Whether it is a regular expression.</param>
    /// <param name="behavior">What becomes of the matches.</param>
    /// <param name="invert">Whether what lies between the matches is meant by "matches".</param>
    /// <param name="dialect">Whose interpretation of the regular expression applies.</param>
    /// <exception cref="TokenizerException">The pattern is malformed or asks for something that is not supported.</exception>
    public SplitPreTokenizer(
        string pattern, bool isRegex = true, SplitBehavior behavior = SplitBehavior.Isolated, bool invert = false,
        RegexDialect dialect = RegexDialect.Oniguruma)
    {
        (_pattern, _isRegex, _behavior, _invert) = (pattern, isRegex, behavior, invert);
        _regex = isRegex ? BoundedRegex.Parse(pattern, dialect) : BoundedRegex.Literal(pattern);

        // A scanner returns both matches and what lies between as pieces, whichever of them is meant.
        if (isRegex && (behavior == SplitBehavior.Isolated || (behavior == SplitBehavior.Removed && invert)))
            _scanner = WordScanner.For(pattern, dialect);
        if (behavior == SplitBehavior.Removed && _scanner is { LeavesNothing: false })
            _scanner = null;
    }

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer)
    {
        if (_scanner is not null)
            _scanner.Cut(buffer);
        else
            buffer.Cut(new SplitCutter(_regex, _behavior, _invert));
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        var written = !_isRegex || _regex.Dialect == RegexDialect.Oniguruma ? _pattern
            : RegexTranslation.ToOniguruma(_pattern)
            ?? throw new TokenizerException($"pattern '{_pattern}' means something that the engine of tokenizer.json spells in no known "
                + "way. Keep the file that it came from.");
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Split"u8);
        writer.WriteStartObject("pattern"u8);
        writer.WriteString(_isRegex ? "Regex"u8 : "String"u8, written);
        writer.WriteEndObject();
        writer.WriteString("behavior"u8, _behavior.ToString());
        writer.WriteBoolean("invert"u8, _invert);
        writer.WriteEndObject();
    }
}

/// <summary>What becomes of the matches at which text is split.</summary>
internal enum SplitBehavior
{
    /// <summary>Matches are dropped.</summary>
    Removed,

    /// <summary>Every match is a piece.</summary>
    Isolated,

    /// <summary>A match goes with what stands before it.</summary>
    MergedWithPrevious,

    /// <summary>A match goes with what stands after it.</summary>
    MergedWithNext,

    /// <summary>Matches that touch are one piece.</summary>
    Contiguous,
}

/// <summary>Says where a piece of text is cut.</summary>
internal interface IPieceCutter
{
    /// <summary>Finds the end of the part that starts at an index.</summary>
    /// <param name="text">The whole piece.</param>
    /// <param name="start">Where the part starts.</param>
    /// <param name="end">Where it ends; greater than <paramref name="start"/>.</param>
    /// <param name="keep">False when the part is dropped.</param>
    /// <returns>False at the end of the piece.</returns>
    bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep);
}

/// <summary>Cuts a piece at the matches of a pattern. One per thread and run.</summary>
internal sealed class SplitCutter(IMatchFinder finder, SplitBehavior behavior, bool invert) : IPieceCutter
{
    private readonly List<RegexMatch> _matches = [];
    private readonly List<(int End, bool Keep)> _parts = [];
    private int _next;

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        if (start == 0)
            Split(text);
        (end, keep) = (start, false);

        // An empty match only says where to cut; as a part of its own it would be nothing.
        while (_next < _parts.Count && _parts[_next].End == start)
            _next++;
        if (start >= text.Length || _next >= _parts.Count)
            return false;
        (end, keep) = _parts[_next++];
        return true;
    }

    private void Split(ReadOnlySpan<char> text)
    {
        _matches.Clear();
        _parts.Clear();
        _next = 0;
        finder.FindAll(text, _matches);
        bool previous = false;
        int at = 0;
        foreach (var match in _matches)
        {
            if (match.Start > at)
                Add(match.Start, invert, ref previous);
            Add(match.End, !invert, ref previous);
            at = match.End;
        }

        if (at < text.Length)
            Add(text.Length, invert, ref previous);
    }

    /// <summary>Adds the part up to an end, or lengthens the one before it.</summary>
    private void Add(int end, bool isMatch, ref bool previous)
    {
        bool joins = _parts.Count > 0 && behavior switch
        {
            SplitBehavior.MergedWithPrevious => isMatch && !previous,
            SplitBehavior.MergedWithNext => !isMatch && previous,
            SplitBehavior.Contiguous => isMatch == previous,
            _ => false,
        };
        if (joins)
            _parts[^1] = (end, true);
        else
            _parts.Add((end, behavior != SplitBehavior.Removed || !isMatch));
        previous = isMatch;
    }
}

/// <summary>
/// Patterns like <c>\p{N}{1,3}</c> or <c>\s?[A-Za-z]+</c> by hand: runs of one set, each with one character of another before it.
/// </summary>
/// <param name="Lead">What may stand before a run; null for nothing.</param>
/// <param name="Members">What a run is made of.</param>
/// <param name="Max">How many code points a run has at most.</param>
internal readonly record struct SetRunCutter(CodePointSet? Lead, CodePointSet Members, int Max) : IPieceCutter
{
    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start;
        if (start >= text.Length)
            return false;
        end = RunEnd(text, start);
        if (end > start)
            return true;

        // What lies between runs is one piece, up to where the next run starts.
        do
            _ = CodePoints.Next(text, ref end);
        while (end < text.Length && !StartsRun(text, end));
        return true;
    }

    private bool StartsRun(ReadOnlySpan<char> text, int at)
    {
        int codePoint = CodePoints.Next(text, ref at);
        return Members.Contains(codePoint)
            || (Lead is not null && Lead.Contains(codePoint) && at < text.Length && Members.Contains(CodePoints.Next(text, ref at)));
    }

    private int RunEnd(ReadOnlySpan<char> text, int start)
    {
        int at = start, next = start;
        int first = CodePoints.Next(text, ref next);
        if (Lead is not null && Lead.Contains(first) && next < text.Length)
        {
            int second = next;
            if (Members.Contains(CodePoints.Next(text, ref second)))
                at = next;
        }

        int count = 0;
        for (next = at; count < Max && next < text.Length && Members.Contains(CodePoints.Next(text, ref next)); count++)
            at = next;
        return count == 0 ? start : at;
    }
}

/// <summary><c>\s+$</c> by hand, where <c>$</c> holds before every line feed: the white space at the end of a line.</summary>
internal readonly struct TrailingSpaceCutter : IPieceCutter
{
    public const string Pattern = @"\s+$";

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start;
        if (start >= text.Length)
            return false;
        end = MatchEnd(text, start);
        if (end > start)
            return true;
        for (int at = CodePointClasses.SpaceEnd(text, start); ;)
        {
            while (at < text.Length && !CodePointClasses.IsSpace(CodePointClasses.At(text, at, out int width)))
                at += width;
            end = at;
            if (at == text.Length || MatchEnd(text, at) > at)
                return true;
            at = CodePointClasses.SpaceEnd(text, at);
        }
    }

    /// <summary>The end of the match that starts at an index, or the index.</summary>
    private static int MatchEnd(ReadOnlySpan<char> text, int start)
    {
        int end = CodePointClasses.SpaceEnd(text, start);
        if (end == start || end == text.Length)
            return end;
        int lineEnd = text[(start + 1)..end].LastIndexOf('\n');
        return lineEnd < 0 ? start : start + 1 + lineEnd;
    }
}
