using System.Collections.ObjectModel;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Connector;

/// <summary>Semantic Kernel's settings of a request to a local GPT. Whatever is null is left to the model's own defaults.</summary>
/// <remarks>
/// The JSON names are those of Semantic Kernel's other connectors, so that a prompt file works with any of them. Settings without a
/// property here (<see cref="LocalGptChatClient.KnownProperties"/>) go into <see cref="PromptExecutionSettings.ExtensionData"/>.
/// </remarks>
[JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
public sealed class LocalGptPromptExecutionSettings : PromptExecutionSettings
{
    private static readonly JsonSerializerOptions Lenient = new()
    {
        AllowTrailingCommas = true,
        PropertyNameCaseInsensitive = true,
        ReadCommentHandling = JsonCommentHandling.Skip,
    };

    /// <summary>How freely tokens are drawn; 0 always takes the most likely one.</summary>
    [JsonPropertyName("temperature")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? Temperature { get; set => field = Set(value); }

    /// <summary>Tokens are drawn from the most likely ones that together have this probability, from 0 to 1.</summary>
    [JsonPropertyName("top_p")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? TopP { get; set => field = Set(value); }

    /// <summary>Tokens are drawn from this many of the most likely ones; 0 for all.</summary>
    [JsonPropertyName("top_k")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? TopK { get; set => field = Set(value); }

    /// <summary>Tokens are drawn from those whose probability is at least this share of the highest one, from 0 to 1.</summary>
    [JsonPropertyName("min_p")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? MinP { get; set => field = Set(value); }

    /// <summary>The probability mass of locally typical sampling, from 0 to 1.</summary>
    [JsonPropertyName("typical_p")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? TypicalP { get; set => field = Set(value); }

    /// <summary>The seed of the draws: with it, the same request gives the same text.</summary>
    [JsonPropertyName("seed")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Seed { get; set => field = Set(value); }

    /// <summary>The most tokens of the answer.</summary>
    [JsonPropertyName("max_tokens")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxTokens { get; set => field = Set(value); }

    /// <summary>The fewest tokens before the answer may end.</summary>
    [JsonPropertyName("min_new_tokens")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MinNewTokens { get; set => field = Set(value); }

    /// <summary>Subtracted from the logit of a token for each time that it has been written.</summary>
    [JsonPropertyName("frequency_penalty")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? FrequencyPenalty { get; set => field = Set(value); }

    /// <summary>Subtracted from the logit of a token that has been written.</summary>
    [JsonPropertyName("presence_penalty")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? PresencePenalty { get; set => field = Set(value); }

    /// <summary>The logit of a token of prompt or answer is divided by this (multiplied where it is negative); 1 changes nothing.</summary>
    [JsonPropertyName("repetition_penalty")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? RepetitionPenalty { get; set => field = Set(value); }

    /// <summary>No sequence of this many tokens is written twice; 0 allows repetition.</summary>
    [JsonPropertyName("no_repeat_ngram_size")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? NoRepeatNgramSize { get; set => field = Set(value); }

    /// <summary>Added to the logits of tokens, by their ids.</summary>
    [JsonPropertyName("logit_bias")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IDictionary<int, float>? LogitBias { get; set => field = Set(value); }

    /// <summary>Texts that end the answer; they are not part of it.</summary>
    [JsonPropertyName("stop_sequences")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IList<string>? StopSequences { get; set => field = Set(value); }

    /// <summary>Whether the answer's metadata hold the log-probability of each token (<c>logprobs</c>, <c>token_ids</c>).</summary>
    [JsonPropertyName("logprobs")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? LogProbabilities { get; set => field = Set(value); }

    /// <summary>The beams of a beam search; 1 for none.</summary>
    [JsonPropertyName("num_beams")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? BeamCount { get; set => field = Set(value); }

    /// <summary>
    /// The form of the answer: <c>text</c>, <c>json_object</c>, a JSON schema (<see cref="JsonElement"/>), a <see cref="Type"/> whose
    /// schema is meant, or a <see cref="ChatResponseFormat"/>.
    /// </summary>
    [JsonPropertyName("response_format")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonConverter(typeof(ResponseFormatConverter))]
    public object? ResponseFormat { get; set => field = Set(value); }

    /// <summary>How much a model that reasons before it answers should reason: <c>low</c>, <c>medium</c>, <c>high</c>.</summary>
    [JsonPropertyName("reasoning_effort")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ReasoningEffort { get; set => field = Set(value); }

    /// <summary>Instructions before the conversation.</summary>
    [JsonPropertyName("chat_system_prompt")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ChatSystemPrompt { get; set => field = Set(value); }

    /// <summary>Converts settings of another class; what this class has no property for is kept in its extension data.</summary>
    /// <param name="executionSettings">The settings; null for none. An instance of this class is returned unchanged.</param>
    /// <exception cref="ArgumentException">A value has the wrong form.</exception>
    [RequiresUnreferencedCode("Reads settings of any class through JSON.")]
    [RequiresDynamicCode("Reads settings of any class through JSON.")]
    public static LocalGptPromptExecutionSettings FromExecutionSettings(PromptExecutionSettings? executionSettings)
    {
        if (executionSettings is null)
            return new LocalGptPromptExecutionSettings();
        if (executionSettings is LocalGptPromptExecutionSettings own)
            return own;
        try
        {
            var json = JsonSerializer.Serialize(executionSettings, executionSettings.GetType(), Lenient);
            var settings = JsonSerializer.Deserialize<LocalGptPromptExecutionSettings>(json, Lenient)!;

            // The functions of the behaviour do not survive JSON.
            settings.FunctionChoiceBehavior = executionSettings.FunctionChoiceBehavior;
            return settings;
        }
        catch (JsonException exception)
        {
            throw new ArgumentException(
                $"The settings cannot be read as those of a local GPT: {exception.Message} Correct the value at {exception.Path}.",
                nameof(executionSettings), exception);
        }
    }

    /// <inheritdoc/>
    public override void Freeze()
    {
        if (IsFrozen)
            return;
        if (StopSequences is not null)
            StopSequences = new ReadOnlyCollection<string>(StopSequences);
        if (LogitBias is not null)
            LogitBias = new ReadOnlyDictionary<int, float>(LogitBias);
        base.Freeze();
    }

    /// <inheritdoc/>
    public override PromptExecutionSettings Clone() => new LocalGptPromptExecutionSettings
    {
        ServiceId = ServiceId,
        ModelId = ModelId,
        FunctionChoiceBehavior = FunctionChoiceBehavior,
        ExtensionData = ExtensionData is null ? null : new Dictionary<string, object>(ExtensionData),
        Temperature = Temperature,
        TopP = TopP,
        TopK = TopK,
        MinP = MinP,
        TypicalP = TypicalP,
        Seed = Seed,
        MaxTokens = MaxTokens,
        MinNewTokens = MinNewTokens,
        FrequencyPenalty = FrequencyPenalty,
        PresencePenalty = PresencePenalty,
        RepetitionPenalty = RepetitionPenalty,
        NoRepeatNgramSize = NoRepeatNgramSize,
        LogitBias = LogitBias is null ? null : new Dictionary<int, float>(LogitBias),
        StopSequences = StopSequences is null ? null : [.. StopSequences],
        LogProbabilities = LogProbabilities,
        BeamCount = BeamCount,
        ResponseFormat = ResponseFormat,
        ReasoningEffort = ReasoningEffort,
        ChatSystemPrompt = ChatSystemPrompt,
    };

    private T Set<T>(T value)
    {
        ThrowIfFrozen();
        return value;
    }

    /// <summary>Writes a response format as the word or the schema that Semantic Kernel reads back.</summary>
    internal sealed class ResponseFormatConverter : JsonConverter<object>
    {
        /// <inheritdoc/>
        public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => reader.TokenType == JsonTokenType.String ? reader.GetString() : JsonElement.ParseValue(ref reader);

        /// <inheritdoc/>
        [UnconditionalSuppressMessage("Trimming", "IL2026",
            Justification = "A type in the settings is read by reflection in the application that names it.")]
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "As above.")]
        public override void Write(Utf8JsonWriter writer, object value, JsonSerializerOptions options)
        {
            switch (value)
            {
                case string word:
                    writer.WriteStringValue(word);
                    break;
                case JsonElement schema:
                    schema.WriteTo(writer);
                    break;
                case Type type:
                    // Property names as JsonSerializer.Deserialize expects them by default, which is how Semantic Kernel's users read the
                    // answer.
                    AIJsonUtilities.CreateJsonSchema(type, serializerOptions: JsonSerializerOptions.Default).WriteTo(writer);
                    break;
                case ChatResponseFormatJson { Schema: { } schema }:
                    schema.WriteTo(writer);
                    break;
                case ChatResponseFormatJson:
                    writer.WriteStringValue("json_object");
                    break;
                case ChatResponseFormatText:
                    writer.WriteStringValue("text");
                    break;
                default:
                    throw new JsonException($"A response format of the type {value.GetType().Name} is not known; give text, json_object, "
                        + "a JSON schema, a Type or a ChatResponseFormat.");
            }
        }
    }
}
