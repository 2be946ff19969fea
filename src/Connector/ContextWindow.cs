using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Shortens conversations that do not fit into a model's context, by whole turns.</summary>
internal static class ContextWindow
{
    // The answer gets the room that it asks for, but a long limit need not empty the conversation.
    private const int LargestShareOfAnswer = 4;

    /// <summary>The tokens that a prompt may have, so that there is room for an answer behind it.</summary>
    public static int PromptLimit(LocalGpt model, int? maxOutputTokens)
        => model.ContextLength - Math.Clamp(maxOutputTokens ?? int.MaxValue, 1, Math.Max(1, model.ContextLength / LargestShareOfAnswer));

    /// <summary>The conversation without its oldest turns, as few as it takes.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <param name="fits">Whether a conversation fits.</param>
    /// <remarks>
    /// System messages stay, and so does the turn of the last question. A turn goes with all that belongs to it; where the last one alone
    /// is too long, its oldest calls go with their results.
    /// </remarks>
    public static IReadOnlyList<ChatMessage> Shorten(IReadOnlyList<ChatMessage> messages, Func<IReadOnlyList<ChatMessage>, bool> fits)
    {
        var units = Units(messages);

        // The fewest units that must go: if some number is not enough, no smaller one is.
        int tooFew = 0, enough = units.Count;
        while (enough - tooFew > 1)
        {
            int middle = (tooFew + enough) / 2;
            if (fits(Without(messages, units, middle)))
                enough = middle;
            else
                tooFew = middle;
        }

        return Without(messages, units, enough);
    }

    // What may go, in the order in which it goes: all turns but the last, then the rounds of calls of the last.
    private static List<HashSet<ChatMessage>> Units(IReadOnlyList<ChatMessage> messages)
    {
        var units = new List<HashSet<ChatMessage>>();
        int last = messages.Count - 1;
        while (last > 0 && messages[last].Role != ChatRole.User)
            last--;
        for (int i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            if (IsInstruction(message) || i == last)
                continue;
            bool begins = i < last ? message.Role == ChatRole.User : message.Contents.OfType<FunctionCallContent>().Any();
            if (begins || units.Count == 0 || i == last + 1)
                units.Add([]);
            units[^1].Add(message);
        }

        // What the conversation ends with is answered, so it stays.
        if (units.Count > 0 && last < messages.Count - 1 && units[^1].Contains(messages[^1]))
            units.RemoveAt(units.Count - 1);
        return units;
    }

    private static List<ChatMessage> Without(IReadOnlyList<ChatMessage> messages, List<HashSet<ChatMessage>> units, int count)
    {
        var gone = units.Take(count).SelectMany(unit => unit).ToHashSet();
        return [.. messages.Where(message => !gone.Contains(message))];
    }

    private static bool IsInstruction(ChatMessage message) => message.Role == ChatRole.System || message.Role.Value == "developer";
}
