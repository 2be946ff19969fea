using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Turns messages and <see cref="ChatOptions"/> into a request of the model. Whatever cannot be honoured is refused.</summary>
public static class ChatOptionsReader
{
    private static readonly Dictionary<string, Action<Settings, PropertyValue>> Readers = new(StringComparer.Ordinal)
    {
        ["min_p"] = (s, v) => s.Draw(o => o with { MinP = v.Number() }),
        ["typical_p"] = (s, v) => s.Draw(o => o with { TypicalP = v.Number() }),
        ["epsilon_cutoff"] = (s, v) => s.Draw(o => o with { EpsilonCutoff = v.Number() }),
        ["eta_cutoff"] = (s, v) => s.Draw(o => o with { EtaCutoff = v.Number() }),
        ["top_h"] = (s, v) => s.Draw(o => o with { TopH = v.Number() }),
        ["top_n_sigma"] = (s, v) => s.Draw(o => o with { TopNSigma = v.Number() }),
        ["xtc_threshold"] = (s, v) => s.Draw(o => o with { XtcThreshold = v.Number() }),
        ["xtc_probability"] = (s, v) => s.Draw(o => o with { XtcProbability = v.Number() }),
        ["min_tokens_to_keep"] = (s, v) => s.Change(o => o with { MinTokensToKeep = v.Integer() }),
        ["repetition_penalty"] = (s, v) => s.Change(o => o with { RepetitionPenalty = v.Number() }),
        ["no_repeat_ngram_size"] = (s, v) => s.Change(o => o with { NoRepeatNgramSize = v.Integer() }),
        ["min_new_tokens"] = (s, v) => s.Change(o => o with { MinNewTokens = v.Integer() }),
        ["dry_multiplier"] = (s, v) => s.Change(o => o with { DryMultiplier = v.Number() }),
        ["dry_base"] = (s, v) => s.Change(o => o with { DryBase = v.Number() }),
        ["dry_allowed_length"] = (s, v) => s.Change(o => o with { DryAllowedLength = v.Integer() }),
        ["logit_bias"] = (s, v) => s.Change(o => o with { LogitBias = v.Biases() }),
        ["suppress_tokens"] = (s, v) => s.Change(o => o with { SuppressTokens = v.Integers() }),
        ["begin_suppress_tokens"] = (s, v) => s.Change(o => o with { BeginSuppressTokens = v.Integers() }),
        ["min_length"] = (s, v) => s.Change(o => o with { MinLength = v.Integer() }),
        ["renormalize_logits"] = (s, v) => s.Change(o => o with { RenormalizeLogits = v.Boolean() }),
        ["mirostat_tau"] = (s, v) => s.Draw(o => o with { MirostatTau = v.Number() }),
        ["mirostat_eta"] = (s, v) => s.Draw(o => o with { MirostatEta = v.Number() }),
        ["logprobs"] = (s, v) => s.IncludeLogProbabilities = v.Boolean(),
        ["num_beams"] = (s, v) => s.Search(o => o with { BeamCount = v.Integer() }),
        ["length_penalty"] = (s, v) => s.Search(o => o with { LengthPenalty = v.Number() }),
        ["early_stopping"] = (s, v) => s.Search(o => o with { EarlyStopping = v.EarlyStopping() }),
    };

    /// <summary>The keys of <see cref="ChatOptions.AdditionalProperties"/> that are understood; they have the names and meanings of Hugging Face's <c>generate</c>.</summary>
    public static IReadOnlyCollection<string> KnownProperties => Readers.Keys;

    internal static ChatRequest Read(LocalGptChatClient client, IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        bool usesTools = UsesTools(client);
        var turns = Turns(messages, options?.Instructions, usesTools);
        if (options is null)
            return new ChatRequest(new GenerationRequest { Turns = turns }, null);
        Refuse(client, options, usesTools);

        var start = StartingPoint(client, options);
        var settings = new Settings(start.Sampling ?? client.Model.DefaultSampling) { IncludeLogProbabilities = start.IncludeLogProbabilities };
        if (options.Temperature is { } temperature)
            settings.Draw(o => o with { Temperature = temperature });
        if (options.TopP is { } topP)
            settings.Draw(o => o with { TopP = topP });
        if (options.TopK is { } topK)
            settings.Draw(o => o with { TopK = topK >= 1 ? topK : throw new ArgumentOutOfRangeException(nameof(options), topK, $"TopK is {topK}; it must be at least 1.") });
        if (options.Seed is { } seed)
            settings.Draw(o => o with { Seed = seed });
        if (options.FrequencyPenalty is { } frequency)
            settings.Change(o => o with { FrequencyPenalty = frequency });
        if (options.PresencePenalty is { } presence)
            settings.Change(o => o with { PresencePenalty = presence });
        foreach (var (key, value) in options.AdditionalProperties ?? [])
        {
            // Settings that were never set arrive as null from Semantic Kernel's conversions.
            if (value is null)
                continue;
            if (!Readers.TryGetValue(key, out var read))
                throw new ArgumentException($"The additional property '{key}' is not understood; known are {string.Join(", ", Readers.Keys.Order(StringComparer.Ordinal))}.", nameof(options));
            read(settings, new PropertyValue(key, value));
        }

        bool search = settings.Beams is { BeamCount: > 1 };
        if (settings.Beams is not null && !search && settings.Beams.BeamCount < 1)
            throw new ArgumentOutOfRangeException(nameof(options), settings.Beams.BeamCount, "num_beams must be at least 1.");
        if (search && settings.IncludeLogProbabilities)
            throw new NotSupportedException("Log-probabilities are not available with beam search; leave out logprobs or num_beams.");
        var generation = start with
        {
            Turns = turns,
            Tools = options.Tools is { Count: > 0 } tools && options.ToolMode is not NoneChatToolMode ? ToolDeclarations.ToJson(tools) : null,
            MaxOutputTokens = options.MaxOutputTokens ?? start.MaxOutputTokens,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. stops] : start.StopStrings,
            Sampling = settings.Sampling,
            IncludeLogProbabilities = settings.IncludeLogProbabilities,
        };
        return new ChatRequest(generation, search ? settings.Beams : null);
    }

    // A template that cannot be used fails when the conversation is rendered, with its own reason.
    private static bool UsesTools(LocalGptChatClient client)
    {
        try
        {
            return client.Model.ToolTemplate.UsesTools;
        }
        catch (ChatTemplateException)
        {
            return false;
        }
    }

    private static void Refuse(LocalGptChatClient client, ChatOptions options, bool usesTools)
    {
        if (options.Tools is { Count: > 0 } && !usesTools)
            throw new NotSupportedException("The model's chat template does nothing with functions, and tool calls by any local model come with a later version; send the request without Tools.");
        if (options.ToolMode is RequiredChatToolMode)
            throw new NotSupportedException("Tool calls by the local model come with a later version, so ToolMode cannot require one.");
        if (options.ResponseFormat is not (null or ChatResponseFormatText))
            throw new NotSupportedException("JSON response formats come with a later version; ask for JSON in the prompt, or leave ResponseFormat unset.");
        if (options.ConversationId is not null)
            throw new NotSupportedException("The client stores no conversations; send the whole history and no ConversationId.");
#pragma warning disable MEAI001 // Still marked as experimental there; they are read only to refuse them.
        if (options.AllowBackgroundResponses == true)
            throw new NotSupportedException("Background responses are not supported; leave AllowBackgroundResponses unset.");
        if (options.ContinuationToken is not null)
            throw new NotSupportedException("Responses cannot be resumed; leave ContinuationToken unset.");
#pragma warning restore MEAI001
        if (options.Reasoning is { } reasoning && (reasoning.Effort is not (null or ReasoningEffort.None) || reasoning.Output is not (null or ReasoningOutput.None)))
            throw new NotSupportedException("The model has no separate reasoning; leave Reasoning unset, or set its effort to None.");
        if (options.ModelId is { } modelId && modelId != client.Model.ModelId)
            throw new ArgumentException($"The request asks for the model '{modelId}', but this client runs '{client.Model.ModelId}'.", nameof(options));
    }

    // RawRepresentationFactory may give a GenerationRequest to start from; the options that are set win over it.
    private static GenerationRequest StartingPoint(LocalGptChatClient client, ChatOptions options)
    {
        switch (options.RawRepresentationFactory?.Invoke(client))
        {
            case null:
                return new GenerationRequest();
            case GenerationRequest { Prompt: null, TokenIds: null, Turns: null } request:
                return request;
            case GenerationRequest:
                throw new ArgumentException("The GenerationRequest of RawRepresentationFactory must bring settings only; the prompt comes from the messages.", nameof(options));
            case var other:
                throw new ArgumentException($"RawRepresentationFactory returned a {other.GetType().Name}; this client takes a GenerationRequest.", nameof(options));
        }
    }

    private static List<ChatTurn> Turns(IEnumerable<ChatMessage> messages, string? instructions, bool usesTools)
    {
        var turns = new List<ChatTurn>();
        foreach (var message in messages)
            if (usesTools && message.Contents.Any(c => c is FunctionCallContent or FunctionResultContent))
                turns.AddRange(ToolDeclarations.Turns(message));
            else
                turns.Add(new ChatTurn(Role(message.Role), Text(message)));
        if (string.IsNullOrEmpty(instructions))
            return turns;
        if (turns.Count > 0 && turns[0].Role == ChatTurn.System)
            turns[0] = turns[0] with { Content = $"{instructions}\n\n{turns[0].Content}" };
        else
            turns.Insert(0, new ChatTurn(ChatTurn.System, instructions));
        return turns;
    }

    private static string Role(ChatRole role)
        => role == ChatRole.System ? ChatTurn.System
            : role == ChatRole.User ? ChatTurn.User
            : role == ChatRole.Assistant ? ChatTurn.Assistant
            : role == ChatRole.Tool ? throw new NotSupportedException("Tool calls come with a later version; a message of the role 'tool' cannot be sent.")
            : throw new NotSupportedException($"A message of the role '{role.Value}' cannot be sent; known are system, user and assistant.");

    private static string Text(ChatMessage message)
    {
        var text = new System.Text.StringBuilder();
        foreach (var content in message.Contents)
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case TextReasoningContent or UsageContent:
                    break;
                case FunctionCallContent or FunctionResultContent:
                    throw new NotSupportedException("Tool calls come with a later version; a message with a function call or result cannot be sent.");
                default:
                    throw new NotSupportedException($"The model reads text only; a message with a {content.GetType().Name} cannot be sent.");
            }

        return text.ToString();
    }

    // The settings as they are gathered.
    private sealed class Settings(SamplingOptions start)
    {
        public SamplingOptions Sampling { get; private set; } = start;

        public BeamSearchOptions? Beams { get; private set; }

        public bool IncludeLogProbabilities { get; set; }

        private bool _drawing;

        public void Change(Func<SamplingOptions, SamplingOptions> change) => Sampling = change(Sampling);

        // A setting of the draw: a greedy default gives way to temperature 1, unless the request itself says 0.
        public void Draw(Func<SamplingOptions, SamplingOptions> change)
        {
            if (!_drawing && Sampling.IsGreedy)
                Sampling = Sampling with { Temperature = 1 };
            _drawing = true;
            Sampling = change(Sampling);
        }

        public void Search(Func<BeamSearchOptions, BeamSearchOptions> change) => Beams = change(Beams ?? new BeamSearchOptions { BeamCount = 1 });
    }
}
