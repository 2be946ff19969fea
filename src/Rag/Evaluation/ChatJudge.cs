using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Rag.Answering;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Evaluation;

/// <summary>A chat model that grades answers; its grades stand beside the deterministic metrics and replace none.</summary>
/// <param name="chat">The model; it belongs to the caller.</param>
public sealed partial class ChatJudge(IChatClient chat)
{
    private const int MaxOutputTokens = 400;

    private static readonly Lazy<string> Instruction = new(() => Prompts.Read("judge.txt"));

    /// <summary>Grades an answer.</summary>
    /// <param name="answer">The answer with its quotations.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The grades, or null where the model's reply holds none.</returns>
    public async Task<JudgeGrades?> GradeAsync(Answer answer, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var text = new StringBuilder().Append("<question>\n").Append(answer.Question).Append("\n</question>\n<answer>\n")
            .Append(answer.Text)
            .Append("\n</answer>\n<quotations>\n");
        foreach (var citation in answer.Citations)
            text.Append(CultureInfo.InvariantCulture, $"[{citation.Number}] {citation.Heading}\n{citation.Text}\n");
        var reply = await chat.GetResponseAsync(
            [new ChatMessage(ChatRole.System, Instruction.Value), new ChatMessage(ChatRole.User, text.Append("</quotations>").ToString())],
            new ChatOptions { Temperature = 0, MaxOutputTokens = MaxOutputTokens },
            cancellationToken).ConfigureAwait(false);
        return Grade("faithfulness", reply.Text) is { } faithfulness && Grade("relevance", reply.Text) is { } relevance
            ? new JudgeGrades(faithfulness, relevance)
            : null;
    }

    // The last grade of a name: a model that thinks aloud ends with what it means.
    private static double? Grade(string name, string reply)
        => Graded().Matches(reply).LastOrDefault(match => match.Groups[1].Value.Equals(name,
            StringComparison.OrdinalIgnoreCase)) is { } match
            ? (int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) - 1) / 4.0
            : null;

    [GeneratedRegex(@"\b(faithfulness|relevance)\W{1,8}([1-5])\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Graded();
}

/// <summary>What a judge gave, from 0 to 1.</summary>
/// <param name="Faithfulness">How far the quotations state what the answer says.</param>
/// <param name="Relevance">How far the answer answers the question.</param>
public sealed record JudgeGrades(double Faithfulness, double Relevance);
