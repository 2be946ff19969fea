using System.Text;
using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tools;

/// <summary>What a part of an answer is.</summary>
public enum AnswerPartKind
{
    /// <summary>Words for the reader.</summary>
    Text,

    /// <summary>The model's reasoning, without its marks.</summary>
    Reasoning,

    /// <summary>Functions that are called.</summary>
    Calls,

    /// <summary>Something that began as a call and cannot be read, most often because it was cut off.</summary>
    UnreadableCall,
}

/// <summary>A part of an answer.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text; of calls, the text that they were read from.</param>
public sealed record AnswerPart(AnswerPartKind Kind, string Text)
{
    /// <summary>The functions that are called.</summary>
    public IReadOnlyList<ChatToolCall> Calls { get; init; } = [];
}

/// <summary>
/// Tells words, reasoning and function calls of an answer apart while it is written, however its text is cut into pieces.
/// </summary>
/// <remarks>
/// Text that may still become a mark, and the blanks before it, are held back; so no part of a call is ever given out as words. Not
/// thread-safe.
/// </remarks>
public sealed class AnswerReader
{
    private readonly ToolCallFormat? _format;
    private readonly ReasoningTags _tags;
    private readonly string[] _triggers;
    private readonly Predicate<string> _isFunction;
    private readonly Func<string, JsonElement?>? _parametersOf;
    private readonly StringBuilder _held = new();
    private State _state;

    /// <summary>Prepares for an answer.</summary>
    /// <param name="format">How calls are written; null where none are expected.</param>
    /// <param name="tags">The marks of reasoning, which may stand at the start; null for <see cref="ReasoningTags.Think"/>.</param>
    /// <param name="startsInReasoning">Whether the prompt has opened the reasoning already.</param>
    /// <param name="isFunction">Whether a name is that of a function; null for any name. It matters where calls have no mark of their
    /// own.</param>
    /// <param name="parametersOf">The schema of a function's parameters; null where none is known. It matters where values are written
    /// without quotes.</param>
    public AnswerReader(
        ToolCallFormat? format, ReasoningTags? tags = null, bool startsInReasoning = false, Predicate<string>? isFunction = null,
        Func<string, JsonElement?>? parametersOf = null)
    {
        _parametersOf = parametersOf;
        _format = format;
        _tags = tags ?? ReasoningTags.Think;
        _isFunction = isFunction ?? (_ => true);
        _triggers = format is null
            ? []
            : [.. new[] { format.Trigger, format.AlternateTrigger }.Where(t => !string.IsNullOrEmpty(t)).Select(t => t!)];
        _state = startsInReasoning ? State.Reasoning : State.Start;
    }

    private enum State
    {
        Start,
        Reasoning,
        AfterReasoning,
        Text,
        Calls,
    }

    /// <summary>Adds text.</summary>
    /// <param name="text">What was written since the last call.</param>
    /// <returns>The parts that are certain now.</returns>
    public IReadOnlyList<AnswerPart> Append(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        _held.Append(text);
        var parts = new List<AnswerPart>();
        while (Advance(parts, isLast: false))
        {
        }

        return parts;
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The parts that were held back.</returns>
    public IReadOnlyList<AnswerPart> Complete()
    {
        var parts = new List<AnswerPart>();
        while (Advance(parts, isLast: true))
        {
        }

        return parts;
    }

    // One step; false when it needs more text.
    private bool Advance(List<AnswerPart> parts, bool isLast)
    {
        if (_held.Length == 0)
            return false;
        var held = _held.ToString();
        switch (_state)
        {
            case State.Start:
                var start = held.TrimStart();
                if (start.StartsWith(_tags.Open, StringComparison.Ordinal))
                    return Enter(State.Reasoning, held.Length - start.Length + _tags.Open.Length);
                return (isLast || (start.Length > 0 && !_tags.Open.StartsWith(start, StringComparison.Ordinal)))
                    && Enter(State.Text, 0, start);
            case State.AfterReasoning:
                // Blanks between the reasoning and the answer belong to the form.
                int blanks = held.Length - held.TrimStart().Length;
                return blanks == held.Length ? isLast && Enter(State.Text, blanks) : Enter(State.Text, blanks, held[blanks..]);
            case State.Reasoning:
                return ReadReasoning(held, parts, isLast);
            case State.Calls:
                return isLast && ReadCalls(held, parts);
            default:
                return ReadText(held, parts, isLast);
        }
    }

    // Goes on in another state behind some characters. Where calls have no mark, an answer that begins as JSON may be one.
    private bool Enter(State state, int consumed, string? start = null)
    {
        _held.Remove(0, consumed);
        bool mayBeCall = start?.StartsWith('{') == true || start?.StartsWith('[') == true;
        _state = state == State.Text && mayBeCall && _format is { Trigger.Length: 0 } ? State.Calls : state;
        return true;
    }

    private bool ReadReasoning(string held, List<AnswerPart> parts, bool isLast)
    {
        int end = held.IndexOf(_tags.Close, StringComparison.Ordinal);
        int sure = end >= 0 ? end : isLast ? held.Length : held.Length - HeldBack(held, [_tags.Close]);
        if (sure > 0)
            parts.Add(new AnswerPart(AnswerPartKind.Reasoning, held[..sure]));
        _held.Remove(0, end >= 0 ? end + _tags.Close.Length : sure);
        if (end >= 0)
            _state = State.AfterReasoning;
        return end >= 0;
    }

    private bool ReadText(string held, List<AnswerPart> parts, bool isLast)
    {
        int found = _triggers.Select(trigger => held.IndexOf(trigger, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1)
            .Min();
        int sure = found >= 0 ? held.AsSpan(0, found).TrimEnd().Length
            : isLast ? held.Length
            : _triggers.Length == 0 ? held.Length
            : held.AsSpan(0, held.Length - HeldBack(held, _triggers)).TrimEnd().Length;
        if (sure > 0)
            parts.Add(new AnswerPart(AnswerPartKind.Text, held[..sure]));
        _held.Remove(0, found >= 0 ? found : sure);
        if (found >= 0)
            _state = State.Calls;
        return found >= 0;
    }

    private bool ReadCalls(string held, List<AnswerPart> parts)
    {
        var calls = _format!.Read(held, out int end, _parametersOf);
        bool marked = _triggers.Any(trigger => held.AsSpan().TrimStart().StartsWith(trigger, StringComparison.Ordinal));
        if (calls.Count > 0 && (marked || calls.All(call => _isFunction(call.Name))))
        {
            parts.Add(new AnswerPart(AnswerPartKind.Calls, held[..end]) { Calls = calls });
            _held.Remove(0, end);
            _state = State.Text;
            return _held.Length > 0 && !string.IsNullOrWhiteSpace(held[end..]);
        }

        // Without a mark it is an answer that happens to be JSON, unless it starts like a call and is cut off.
        var start = held.TrimStart();
        bool isCall = marked
            || (start.StartsWith(_format.Open, StringComparison.Ordinal) && (_format.Pairs is null
                ? JsonSpelling.TryParse(start, 0, out _) is null
                : _format.BeginsCall(start, _isFunction)));
        parts.Add(new AnswerPart(isCall ? AnswerPartKind.UnreadableCall : AnswerPartKind.Text, held));
        _held.Clear();
        return false;
    }

    // The longest end of the text with which a mark begins.
    private static int HeldBack(string text, string[] marks)
    {
        for (int length = Math.Min(marks.Max(m => m.Length) - 1, text.Length); length > 0; length--)
            foreach (var mark in marks)
                if (length < mark.Length && string.CompareOrdinal(text, text.Length - length, mark, 0, length) == 0)
                    return length;
        return 0;
    }
}
