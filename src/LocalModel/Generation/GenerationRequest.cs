using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Generation;

/// <summary>What to continue and how. Exactly one of <see cref="Prompt"/>, <see cref="TokenIds"/> and <see cref="Turns"/> is set.</summary>
public sealed record GenerationRequest
{
    /// <summary>
    /// A text to continue. Control tokens spelt in it stay text unless <see cref="ParseControlTokens"/> is set; an empty text starts with
    /// the model's start token.
    /// </summary>
    public string? Prompt { get; init; }

    /// <summary>Tokens to continue.</summary>
    public IReadOnlyList<int>? TokenIds { get; init; }

    /// <summary>
    /// A text that comes after the output, which fills in what is between <see cref="Prompt"/> or <see cref="TokenIds"/> and this; null for
    /// none. It takes a model whose vocabulary has the tokens for it (<see cref="LocalGpt.FillInTheMiddle"/>).
    /// </summary>
    public string? Suffix { get; init; }

    /// <summary>A conversation to answer, rendered with the model's chat template.</summary>
    public IReadOnlyList<ChatTurn>? Turns { get; init; }

    /// <summary>
    /// The functions that the conversation may call, a JSON array of declarations; null for none. Where the chat template has no place for
    /// functions they become part of the system message (<see cref="ToolPrompt"/>).
    /// </summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Variables of the chat template besides the conversation, such as <c>enable_thinking</c>; null for none.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>
    /// Control tokens that are spelt out in the text of the answer, from which control tokens are left out otherwise: the marks of
    /// function calls.
    /// </summary>
    public IReadOnlyList<string> VisibleControlTokens { get; init; } = [];

    /// <summary>
    /// Whether control tokens spelt in <see cref="Prompt"/> become control tokens. Never set this for text that somebody else wrote.
    /// </summary>
    public bool ParseControlTokens { get; init; }

    /// <summary>The most tokens to generate; null means until an end token or the end of the context.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>How tokens are chosen; null takes <see cref="LocalGpt.DefaultSampling"/>.</summary>
    public SamplingOptions? Sampling { get; init; }

    /// <summary>Texts that end the generation; found across token borders, compared ordinally, left out of the output.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>The tokens that end the output, instead of the model's own; null for those.</summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>
    /// What the output must be; null for anything. Every token is chosen among those that keep the text within the grammar, so that it is
    /// complete within <see cref="MaxOutputTokens"/> (or the end of the context), whatever the model is. Generation ends as soon as nothing
    /// may follow.
    /// </summary>
    /// <remarks>
    /// The grammar outranks all other settings: where penalties, bans, forced tokens or a minimum length leave none of its tokens, those
    /// settings do not count for that token. Stop strings still end the text, complete or not. It cannot be combined with
    /// <see cref="IgnoreEndTokens"/>. Control tokens are part of the output's tokens, not of its text (but see
    /// <see cref="VisibleControlTokens"/>).
    /// </remarks>
    public Grammar? Constraint { get; init; }

    /// <summary>Whether generation goes on past end tokens (for measurements).</summary>
    public bool IgnoreEndTokens { get; init; }

    /// <summary>Whether each update carries its tokens' log-probabilities.</summary>
    public bool IncludeLogProbabilities { get; init; }

    /// <summary>The most that <see cref="TopLogProbabilities"/> may be.</summary>
    public const int MaxTopLogProbabilities = 20;

    /// <summary>
    /// How many of the likeliest tokens each update names beside each of its tokens, at most <see cref="MaxTopLogProbabilities"/>; it takes
    /// <see cref="IncludeLogProbabilities"/>. Default 0.
    /// </summary>
    public int TopLogProbabilities { get; init; }

    /// <summary>A request to continue a text.</summary>
    /// <param name="prompt">The text.</param>
    public static GenerationRequest FromPrompt(string prompt) => new() { Prompt = prompt };

    /// <summary>A request to answer a conversation.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    public static GenerationRequest FromTurns(params IReadOnlyList<ChatTurn> turns) => new() { Turns = turns };
}

/// <summary>A whole generation.</summary>
/// <param name="Text">The text, without an end token or stop string.</param>
/// <param name="TokenIds">The generated tokens, an end token included.</param>
/// <param name="LogProbabilities">Their natural log-probabilities under the model; empty unless asked for.</param>
/// <param name="FinishReason">Why generation ended.</param>
/// <param name="Usage">What it cost.</param>
public sealed record GenerationResult(
    string Text, IReadOnlyList<int> TokenIds, IReadOnlyList<float> LogProbabilities, FinishReason FinishReason, GenerationUsage Usage);

/// <summary>A piece of a generation, in order.</summary>
/// <param name="Text">New text, whole characters only; may be empty.</param>
/// <param name="TokenIds">The tokens generated since the update before, the end token included.</param>
/// <param name="LogProbabilities">
/// Their natural log-probabilities under the model, before any setting was applied; empty unless asked for.
/// </param>
/// <param name="FinishReason">Why generation ended; on the last update only.</param>
/// <param name="Usage">What it cost; on the last update only.</param>
public sealed record GenerationUpdate(
    string Text, IReadOnlyList<int> TokenIds, IReadOnlyList<float> LogProbabilities, FinishReason? FinishReason = null,
    GenerationUsage? Usage = null)
{
    /// <summary>
    /// For each token of <see cref="TokenIds"/> the likeliest tokens of its place, likeliest first; empty unless asked for
    /// (<see cref="GenerationRequest.TopLogProbabilities"/>).
    /// </summary>
    public IReadOnlyList<IReadOnlyList<TokenLogProbability>> Alternatives { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => Text;
}

/// <summary>How likely a model finds a token.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="LogProbability">Its natural log-probability under the model, before any setting was applied.</param>
public readonly record struct TokenLogProbability(int TokenId, float LogProbability);

/// <summary>What a generation cost.</summary>
/// <param name="InputTokens">The tokens of the prompt.</param>
/// <param name="OutputTokens">The generated tokens, an end token included.</param>
/// <param name="QueueTime">From the request until the engine took it up.</param>
/// <param name="PrefillTime">From there to the first generated token.</param>
/// <param name="DecodeTime">From the first generated token to the last.</param>
/// <param name="Seed">
/// The seed of the draws, given or chosen at random; with it the same request gives the same text. Null when decoding was greedy.
/// </param>
/// <param name="CachedInputTokens">
/// The tokens of the prompt that were not computed, because an earlier or a concurrent request begins alike
/// (<see cref="LocalGptOptions.PrefixReuse"/>).
/// </param>
public sealed record GenerationUsage(
    int InputTokens,
    int OutputTokens,
    TimeSpan QueueTime,
    TimeSpan PrefillTime,
    TimeSpan DecodeTime,
    long? Seed,
    int CachedInputTokens = 0);

/// <summary>Why generation ended.</summary>
public enum FinishReason
{
    /// <summary>
    /// The model chose an end token, whose text is not part of the output; or the text is complete under the request's constraint, and
    /// nothing may follow.
    /// </summary>
    EndToken,

    /// <summary>A stop string was produced; it is not part of the output.</summary>
    StopString,

    /// <summary>The output limit or the end of the context was reached.</summary>
    Length,
}

/// <summary>How likely a model finds a continuation.</summary>
/// <param name="LogProbability">The sum of the tokens' natural log-probabilities, each given the prefix and the tokens before it.</param>
/// <param name="TokenCount">The tokens of the continuation.</param>
public readonly record struct SequenceScore(double LogProbability, int TokenCount)
{
    /// <summary>The mean log-probability of a token; 0 for an empty continuation.</summary>
    public double PerToken => TokenCount == 0 ? 0 : LogProbability / TokenCount;
}

/// <summary>How likely a model finds each token of a text.</summary>
/// <param name="LogProbabilities">The natural log-probability of each token after the first, given all before it.</param>
/// <param name="LastLogits">The logits of the token after the last, (vocabulary); null unless asked for.</param>
public sealed record TokenScores(IReadOnlyList<float> LogProbabilities, IReadOnlyList<float>? LastLogits)
{
    /// <summary>
    /// For each of <see cref="LogProbabilities"/> the likeliest tokens of its place, likeliest first; empty unless asked for.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<TokenLogProbability>> Alternatives { get; init; } = [];
}
