using System.Diagnostics;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Server.OpenAI;
using Kotonoha.Server.Work;
using Microsoft.Extensions.AI;

namespace Kotonoha.Page;

/// <summary>How an answer is to be written.</summary>
internal sealed record ChatSettings(string Model, string SystemPrompt, double Temperature, int MaxTokens);

/// <summary>A conversation with a model.</summary>
/// <param name="admission">The way to the models.</param>
internal sealed class Conversation(Admission admission)
{
    private const int Alternatives = 5;

    private readonly List<Turn> _turns = [];

    public IReadOnlyList<Turn> Turns => _turns;

    /// <summary>Forgets a turn and all that come after it.</summary>
    /// <returns>The text of the turn.</returns>
    public string CutAt(Turn turn)
    {
        int at = _turns.IndexOf(turn);
        _turns.RemoveRange(at, _turns.Count - at);
        return turn.Text;
    }

    /// <summary>Adds a message and lets the model answer; without a message, it answers what stands there.</summary>
    /// <param name="text">The message, or null.</param>
    /// <param name="settings">How to answer.</param>
    /// <param name="caller">Who asks.</param>
    /// <param name="changed">Called after each token.</param>
    /// <param name="problem">What to tell of an exception.</param>
    /// <param name="cancellationToken">Stops the answer; what has been written stays.</param>
    public async Task AnswerAsync(
        string? text, ChatSettings settings, Caller caller, Func<Task> changed, Func<Exception, string> problem,
        CancellationToken cancellationToken)
    {
        if (text is not null)
            _turns.Add(new Turn(isUser: true) { Text = text });
        List<ChatMessage> messages = [];
        if (!string.IsNullOrWhiteSpace(settings.SystemPrompt))
            messages.Add(new ChatMessage(ChatRole.System, settings.SystemPrompt));
        messages.AddRange(_turns.Select(turn => new ChatMessage(turn.IsUser ? ChatRole.User : ChatRole.Assistant, turn.Text)));
        var answer = new Turn(isUser: false) { IsBeingWritten = true };
        _turns.Add(answer);
        await changed();
        try
        {
            await using var work = await admission.EnterAsync(caller, "chat", settings.Model, 1, cancellationToken);
            try
            {
                await StreamAsync(work, messages, settings, answer, changed);
            }
            catch (Exception exception)
            {
                throw work.Explain(exception);
            }
        }
        catch (Exception exception)
        {
            answer.Problem = problem(exception);
        }
        finally
        {
            answer.IsBeingWritten = false;
        }
    }

    private static async Task StreamAsync(
        AdmittedRequest work, List<ChatMessage> messages, ChatSettings settings, Turn answer, Func<Task> changed)
    {
        var chat = work.Model.Chat ?? throw ApiException.Invalid("model", $"The model '{settings.Model}' makes vectors only.");
        var options = new ChatOptions
        {
            Temperature = (float)settings.Temperature,
            MaxOutputTokens = settings.MaxTokens,
            AdditionalProperties = new() { ["logprobs"] = true, ["top_logprobs"] = Alternatives },
        };
        long start = Stopwatch.GetTimestamp();
        await foreach (var update in chat.GetStreamingResponseAsync(messages, options, work.Token))
        {
            work.FirstToken();
            foreach (var content in update.Contents)
                switch (content)
                {
                    case TextContent { Text.Length: > 0 } text:
                        answer.Text += text.Text;
                        answer.Pieces.Add(new Piece(text.Text, update.RawRepresentation is GenerationUpdate generation
                            ? Choices(work.Model.Gpt!, generation) : []));
                        break;
                    case TextReasoningContent { Text.Length: > 0 } reasoning:
                        answer.Reasoning += reasoning.Text;
                        break;
                    case UsageContent { Details: var usage }:
                        (work.InputTokens, work.OutputTokens) = (usage.InputTokenCount ?? 0, usage.OutputTokenCount ?? 0);
                        break;
                }

            answer.Tokens = work.OutputTokens > 0 ? work.OutputTokens : answer.Pieces.Sum(piece => piece.Choices.Count);
            answer.Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            await changed();
        }
    }

    private static List<Choice> Choices(LocalGpt gpt, GenerationUpdate update)
    {
        var choices = new List<Choice>();
        for (int i = 0; i < Math.Min(update.TokenIds.Count, update.LogProbabilities.Count); i++)
            if (!gpt.EndTokens.Contains(update.TokenIds[i]))
                choices.Add(new Choice(
                    Logprobs.TextOf(gpt, update.TokenIds[i]), Math.Exp(update.LogProbabilities[i]),
                    i < update.Alternatives.Count
                        ? [.. update.Alternatives[i].Select(other => (Logprobs.TextOf(gpt, other.TokenId), Math.Exp(other.LogProbability)))]
                        : []));
        return choices;
    }
}

/// <summary>A message of a conversation.</summary>
internal sealed class Turn(bool isUser)
{
    public bool IsUser => isUser;

    public string Text { get; set; } = "";

    public string Reasoning { get; set; } = "";

    public List<Piece> Pieces { get; } = [];

    public bool IsBeingWritten { get; set; }

    public string? Problem { get; set; }

    public long Tokens { get; set; }

    public double Seconds { get; set; }
}

/// <summary>A piece of an answer, of whole characters, and the tokens that it was written with.</summary>
internal sealed record Piece(string Text, IReadOnlyList<Choice> Choices);

/// <summary>A token that was chosen, and what else could have been.</summary>
internal sealed record Choice(string Text, double Probability, IReadOnlyList<(string Text, double Probability)> Others);
