using System.Diagnostics;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Server.OpenAI;
using Kotonoha.Server.Prompts;
using Kotonoha.Server.Work;
using Microsoft.Extensions.AI;

namespace Kotonoha.Page;

/// <summary>How an answer is to be written.</summary>
internal sealed record ChatSettings(string Model, string SystemPrompt, double Temperature, int MaxTokens)
{
    /// <summary>What the model may call.</summary>
    public IReadOnlyList<AIFunction> Tools { get; init; } = [];

    /// <summary>Whether it has to call something before it answers.</summary>
    public bool MustCall { get; init; }
}

/// <summary>A conversation with a model.</summary>
/// <param name="admission">The way to the models.</param>
/// <param name="approvals">Asks before each call of a tool.</param>
internal sealed class Conversation(Admission admission, Approvals approvals)
{
    private const int Alternatives = 5, MaxCalls = 8;

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
        messages.AddRange(_turns.SelectMany(turn => turn.Messages));
        var answer = new Turn(isUser: false) { IsBeingWritten = true };
        _turns.Add(answer);
        await changed();
        try
        {
            await StreamAsync(
                new AdmittedChatClient(admission, caller, settings.Model), messages, settings, answer, changed, cancellationToken);
        }
        catch (Exception exception)
        {
            answer.Problem = problem(exception);
        }
        finally
        {
            answer.End();
        }
    }

    private async Task StreamAsync(
        AdmittedChatClient model, List<ChatMessage> messages, ChatSettings settings, Turn answer, Func<Task> changed,
        CancellationToken cancellationToken)
    {
        var options = new ChatOptions
        {
            Temperature = (float)settings.Temperature,
            MaxOutputTokens = settings.MaxTokens,
            AdditionalProperties = new() { ["logprobs"] = true, ["top_logprobs"] = Alternatives },
        };
        IChatClient chat = model;
        if (settings.Tools.Count > 0)
        {
            options.Tools = [.. settings.Tools.Select(tool => new ApprovedFunction(tool, settings.Model, (question, cancellation)
                => AskAsync(answer, question, cancellation)))];
            options.ToolMode = settings.MustCall ? ChatToolMode.RequireAny : ChatToolMode.Auto;
            chat = new FunctionInvokingChatClient(model) { MaximumIterationsPerRequest = MaxCalls, IncludeDetailedErrors = true };
        }

        long start = Stopwatch.GetTimestamp();
        await foreach (var update in chat.GetStreamingResponseAsync(messages, options, cancellationToken))
        {
            answer.Updates.Add(update);
            foreach (var content in update.Contents)
                switch (content)
                {
                    case TextContent { Text.Length: > 0 } text:
                        answer.Text += text.Text;
                        answer.Pieces.Add(new Piece(text.Text, update.RawRepresentation is GenerationUpdate generation
                            ? Choices(model.Gpt!, generation) : []));
                        break;
                    case TextReasoningContent { Text.Length: > 0 } reasoning:
                        answer.Reasoning += reasoning.Text;
                        break;
                    case FunctionCallContent call:
                        answer.Pieces.Add(new Piece("", [], new ToolUse(call.CallId, call.Name, ShownJson.Of(call.Arguments))));
                        break;
                    case FunctionResultContent result when answer.Calls.FirstOrDefault(call => call.Id == result.CallId) is { } call:
                        call.Result = ShownJson.Of(result.Result);
                        break;
                    case UsageContent { Details: var usage }:
                        answer.Told += usage.OutputTokenCount ?? 0;
                        break;
                }

            answer.Tokens = Math.Max(answer.Told, answer.Pieces.Sum(piece => piece.Choices.Count));
            answer.Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            await changed();
        }
    }

    private async ValueTask<bool> AskAsync(Turn answer, ApprovalQuestion question, CancellationToken cancellationToken)
    {
        // Calls are executed in the order in which the model made them.
        var call = answer.Calls.FirstOrDefault(call => call.IsAllowed is null && call.Name == question.Tool);
        bool isAllowed = await approvals.AskAsync(question, cancellationToken);
        if (call is not null)
            call.IsAllowed = isAllowed;
        return isAllowed;
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
    private IReadOnlyList<ChatMessage>? _messages;

    public bool IsUser => isUser;

    public string Text { get; set; } = "";

    public string Reasoning { get; set; } = "";

    public List<Piece> Pieces { get; } = [];

    /// <summary>The calls of tools that the answer made.</summary>
    public IEnumerable<ToolUse> Calls => Pieces.Select(piece => piece.Call).OfType<ToolUse>();

    /// <summary>What came while the answer was written.</summary>
    public List<ChatResponseUpdate> Updates { get; } = [];

    /// <summary>The turn as a model reads it: an answer with its calls and their results.</summary>
    public IReadOnlyList<ChatMessage> Messages => _messages ?? [new ChatMessage(IsUser ? ChatRole.User : ChatRole.Assistant, Text)];

    /// <summary>Tokens that the models told of.</summary>
    public long Told { get; set; }

    public bool IsBeingWritten { get; set; }

    public string? Problem { get; set; }

    public long Tokens { get; set; }

    public double Seconds { get; set; }

    /// <summary>The answer is written, or was stopped: a call whose result is missing is not told to models.</summary>
    public void End()
    {
        IsBeingWritten = false;
        if (Calls.Any() && Calls.All(call => call.Result is not null))
            _messages = [.. Updates.ToChatResponse().Messages.Select(message => new ChatMessage(message.Role,
                [.. message.Contents.Where(content => content is TextContent or FunctionCallContent or FunctionResultContent)]))];
        Updates.Clear();
    }
}

/// <summary>A piece of an answer: whole characters and the tokens that they were written with, or a call of a tool.</summary>
internal sealed record Piece(string Text, IReadOnlyList<Choice> Choices, ToolUse? Call = null);

/// <summary>A call of a tool.</summary>
internal sealed class ToolUse(string id, string name, string arguments)
{
    public string Id => id;

    public string Name => name;

    public string Arguments => arguments;

    /// <summary>What the person said; null before.</summary>
    public bool? IsAllowed { get; set; }

    /// <summary>What came back; null before.</summary>
    public string? Result { get; set; }

    /// <summary>How far it is, as the texts name it.</summary>
    public string State => IsAllowed switch
    {
        null => "call-waiting",
        false => "call-refused",
        true => Result is null ? "call-running" : "call-done",
    };
}

/// <summary>A token that was chosen, and what else could have been.</summary>
internal sealed record Choice(string Text, double Probability, IReadOnlyList<(string Text, double Probability)> Others);
