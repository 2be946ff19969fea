using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Memory;

/// <summary>
/// Shortens a history to what fits, oldest turns first, and keeps what belongs together: the system messages, and a tool's call with its
/// result, of which one without the other is an error to most models.
/// </summary>
/// <remarks>
/// What goes, goes by turns: a user's message with all that answers it. The last turn always stays, even where it alone is too long.
/// A result without its call, or a call without its result before the last turn, is left out.
/// </remarks>
public sealed class ToolPairChatReducer : IChatReducer
{
    private readonly int _limit;
    private readonly Func<ChatMessage, int> _cost;

    private ToolPairChatReducer(int limit, Func<ChatMessage, int> cost)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        (_limit, _cost) = (limit, cost);
    }

    /// <summary>Keeps at most so many messages, system messages not counted.</summary>
    /// <param name="count">How many.</param>
    /// <returns>The reducer.</returns>
    public static ToolPairChatReducer ByMessages(int count) => new(count, static message => message.Role == ChatRole.System ? 0 : 1);

    /// <summary>Keeps at most so many tokens.</summary>
    /// <param name="count">How many.</param>
    /// <param name="countTokens">Counts the tokens of a text, with the model's own tokenizer.</param>
    /// <returns>The reducer.</returns>
    public static ToolPairChatReducer ByTokens(int count, Func<string, int> countTokens)
    {
        ArgumentNullException.ThrowIfNull(countTokens);
        return new ToolPairChatReducer(count, message => message.Contents.Sum(content => countTokens(content switch
        {
            TextContent text => text.Text,
            FunctionCallContent call =>
                $"{call.Name} {System.Text.Json.JsonSerializer.Serialize(call.Arguments, AIJsonUtilities.DefaultOptions)}",
            FunctionResultContent result => result.Result is null ? "" : Tools.ToolText.Of(result.Result),
            _ => "",
        })));
    }

    /// <inheritdoc/>
    public Task<IEnumerable<ChatMessage>> ReduceAsync(IEnumerable<ChatMessage> messages, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var all = messages.ToList();
        var system = all.Where(message => message.Role == ChatRole.System).ToList();
        var turns = new List<List<ChatMessage>>();
        foreach (var message in all.Where(message => message.Role != ChatRole.System))
        {
            // What a user says to an open call (an approval, say) belongs to the turn of that call.
            if (turns.Count == 0
                || (message.Role == ChatRole.User
                    && message.Contents.Any(content => content is not (InputResponseContent or FunctionResultContent))))
                turns.Add([]);
            turns[^1].Add(message);
        }

        int left = _limit - system.Sum(_cost);
        int first = turns.Count;
        while (first > 0 && (first == turns.Count || turns[first - 1].Sum(_cost) <= left))
            left -= turns[--first].Sum(_cost);
        return Task.FromResult<IEnumerable<ChatMessage>>(
            [.. system, .. turns.Skip(first).SelectMany((turn, i) => Paired(turn, first + i == turns.Count - 1))]);
    }

    private static IEnumerable<ChatMessage> Paired(List<ChatMessage> turn, bool isLast)
    {
        var calls = turn.SelectMany(message => message.Contents).OfType<FunctionCallContent>().Select(call => call.CallId)
            .ToHashSet(StringComparer.Ordinal);
        var results = turn.SelectMany(message => message.Contents).OfType<FunctionResultContent>().Select(result => result.CallId)
            .ToHashSet(StringComparer.Ordinal);
        foreach (var message in turn)
        {
            var kept = message.Contents.Where(content => content switch
            {
                FunctionResultContent result => calls.Contains(result.CallId),
                FunctionCallContent call => isLast || results.Contains(call.CallId),
                _ => true,
            }).ToList();
            if (kept.Count == message.Contents.Count)
            {
                yield return message;
            }
            else if (kept.Count > 0)
            {
                var copy = message.Clone();
                copy.Contents = kept;
                yield return copy;
            }
        }
    }
}
