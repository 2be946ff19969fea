using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Brings chat templates and tokenizers together: reads a model's template, and turns rendered conversations into token ids.
/// </summary>
internal static class ChatEncoding
{
    private const int ShortIdLength = 9;

    /// <summary>Reads the chat template of a model.</summary>
    /// <param name="jinja">The <c>chat_template</c> of a checkpoint.</param>
    /// <param name="settings">The special tokens that the template sees (<c>bos_token</c> and the others); null for none.</param>
    /// <param name="tokenizer">The model's tokenizer, whose control tokens <see cref="ChatTemplate.Render"/> tells apart; null for
    /// none.</param>
    /// <exception cref="ChatTemplateException">The text is not a template, or is larger or deeper than allowed.</exception>
    public static ChatTemplate ReadTemplate(string jinja, TokenizerSettings? settings = null, Tokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(jinja);
        var control = tokenizer?.AddedTokens
            .Where(token => token.Content.Length > 0 && (token.IsSpecial || jinja.Contains(token.Content, StringComparison.Ordinal)))
            .Select(token => token.Content);
        var named = settings is null
            ? null
            : new SpecialTokens(settings.BosToken, settings.EosToken, settings.UnknownToken, settings.PadToken);
        return ChatTemplate.FromJinja(jinja, named, control is null ? [] : [.. control]);
    }

    /// <summary>Renders a conversation that may hold functions and calls, in the template's own way or as plain messages.</summary>
    /// <param name="template">The template.</param>
    /// <param name="input">The conversation, given as turns.</param>
    /// <exception cref="ChatTemplateException">The template refuses the conversation.</exception>
    public static ChatPrompt Render(ChatTemplate template, ChatTemplateInput input)
    {
        var turns = input.Turns ?? [];
        if (input.Tools is null && !turns.Any(turn => turn.Role == ChatTurn.Tool || turn.ToolCalls.Count > 0))
            return template.Apply(input);
        return template.ToolCalls is { } format
            ? template.Apply(input with { Turns = [.. turns.Select(turn => Adapted(turn, format))] })
            : template.Apply(input with { Turns = ToolPrompt.Inline(turns, input.Tools), Tools = null });
    }

    /// <summary>Encodes the prompt without adding special tokens.</summary>
    /// <param name="prompt">The rendered conversation.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="keepConversationAsText">
    /// Control tokens spelt in the conversation stay text: all special tokens, and those further added tokens that the template itself
    /// writes. Without it, they become control tokens, as in transformers by default.
    /// </param>
    /// <returns>The token ids.</returns>
    public static int[] Encode(this ChatPrompt prompt, Tokenizer tokenizer, bool keepConversationAsText = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (!keepConversationAsText || !prompt.HasConversation)
            return tokenizer.Encode(prompt.Text, addSpecialTokens: false, parseSpecialTokens: true);
        var ids = new List<int>();
        tokenizer.EncodeChosen(prompt.Text, ids, Keeps(prompt));
        return [.. ids];
    }

    /// <summary>
    /// Encodes the prompt and marks the tokens of its answers, as transformers' <c>assistant_masks</c> does.
    /// </summary>
    /// <param name="prompt">The rendered conversation.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="answers">Start and end of each answer in UTF-16 units, in order; <see cref="ChatPrompt.Answers"/> when null.</param>
    /// <param name="keepConversationAsText">As in <see cref="Encode"/>, so that the token ids are the same.</param>
    /// <returns>The token ids and, for each, whether it belongs to an answer.</returns>
    public static (int[] Ids, bool[] AnswerMask) EncodeWithMask(
        this ChatPrompt prompt, Tokenizer tokenizer, IReadOnlyList<(int Start, int End)>? answers = null,
        bool keepConversationAsText = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var encoded = !keepConversationAsText || !prompt.HasConversation
            ? tokenizer.EncodeWithOffsets(prompt.Text, addSpecialTokens: false, parseSpecialTokens: true)
            : tokenizer.EncodeChosenWithOffsets(prompt.Text, Keeps(prompt));
        var mask = new bool[encoded.Ids.Count];
        foreach (var (start, end) in answers ?? prompt.Answers)
        {
            int first = TokenAt(encoded, start);
            if (first < 0)
                break;
            int last = TokenAt(encoded, end - 1);
            if (last <= 0)
                last = mask.Length - 1;
            for (int i = first; i <= last; i++)
                mask[i] = true;
        }

        return ([.. encoded.Ids], mask);
    }

    // Whether a control token that is found is one, or text of the conversation.
    private static Func<AddedToken, int, int, bool> Keeps(ChatPrompt prompt)
        => (token, start, end) => IsWritten(prompt, token, start, end) || !IsControl(prompt, token);

    // Calls that other models made come with other ids, and some templates take arguments as a text.
    private static ChatTurn Adapted(ChatTurn turn, ToolCallFormat format)
    {
        if (format.HasIds && turn.ToolCallId is { } id)
            turn = turn with { ToolCallId = ShortId(id) };
        if (turn.ToolCalls.Count == 0 || !(format.HasIds || format.TakesArgumentsAsText))
            return turn;
        return turn with
        {
            ToolCalls =
            [
                .. turn.ToolCalls.Select(call => call with
                {
                    Id = format.HasIds ? ShortId(call.Id ?? call.Name) : call.Id,
                    Arguments = format.TakesArgumentsAsText
                        ? JsonSerializer.SerializeToElement(call.Arguments.GetRawText(), ChatJson.Default.String)
                        : call.Arguments,
                }),
            ],
        };
    }

    // Nine letters and digits, as templates that write ids want them.
    private static string ShortId(string id)
        => id.Length == ShortIdLength && id.All(char.IsAsciiLetterOrDigit)
            ? id
            : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..ShortIdLength];

    // Offsets only grow, but tokens may share characters; the first that holds the place counts.
    private static int TokenAt(TokenizedText encoded, int place)
    {
        for (int i = 0; i < encoded.Offsets.Count; i++)
            if (encoded.Offsets[i].Start <= place && place < encoded.Offsets[i].End)
                return i;
        return -1;
    }

    private static bool IsControl(ChatPrompt prompt, AddedToken token)
        => token.IsSpecial || prompt.Template.Contains(token.Content, StringComparison.Ordinal);

    // A token that the template composes around a role still is its own; one whose first or last character comes from the conversation is
    // not.
    private static bool IsWritten(ChatPrompt prompt, AddedToken token, int start, int end)
    {
        while (token.StripLeft && start < end - token.Content.Length)
            start++;
        while (token.StripRight && end > start + token.Content.Length)
            end--;
        return !prompt.IsFromConversation(start) && !prompt.IsFromConversation(end - 1);
    }
}

[JsonSerializable(typeof(string))]
internal sealed partial class ChatJson : JsonSerializerContext;
