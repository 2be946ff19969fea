using System.Text.Json;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>What a chat request asks of the model.</summary>
/// <param name="Generation">The conversation and its settings.</param>
/// <param name="Beams">The beam search, or null where tokens are chosen one by one.</param>
internal sealed record ChatRequest(GenerationRequest Generation, BeamSearchOptions? Beams)
{
    /// <summary>The functions that may be called, or null.</summary>
    public RequestedTools? Tools { get; init; }

    /// <summary>How the model would write calls, where functions are offered and none may be called; null otherwise.</summary>
    public ForbiddenCalls? ForbiddenCalls { get; init; }

    /// <summary>What the words of the answer must be, or null.</summary>
    public AnswerForm? Form { get; init; }

    /// <summary>Whether the model is asked not to reason.</summary>
    public bool SkipsReasoning { get; init; }

    /// <summary>What the model writes around its reasoning.</summary>
    public ReasoningTags ReasoningTags { get; init; } = ReasoningTags.Think;

    /// <summary>Whether the prompt has opened the reasoning.</summary>
    public bool StartsInReasoning { get; init; }

    /// <summary>Whether the caller wants to see the reasoning.</summary>
    public bool ShowsReasoning { get; init; } = true;
}

/// <summary>
/// Turns messages and <see cref="ChatOptions"/> into a request of the model. What would give another answer than the one asked for is
/// refused; what makes no difference is left out, and a warning says so once.
/// </summary>
/// <param name="client">The client, for the caller's own factory of settings.</param>
/// <param name="model">The model.</param>
/// <param name="notices">Is told what is left out.</param>
/// <param name="grammars">The grammars of earlier requests.</param>
internal sealed class ChatRequestReader(LocalGptChatClient client, LocalGpt model, Notices notices, GrammarCache grammars)
{
    private static readonly Dictionary<string, Action<Settings, PropertyValue>> Readers = new(StringComparer.OrdinalIgnoreCase)
    {
        // The settings that ChatOptions has members for, by the names that other libraries give them.
        ["temperature"] = (s, v) => s.Draw(o => o with { Temperature = v.Number() }),
        ["top_p"] = (s, v) => s.Draw(o => o with { TopP = v.Number() }),
        ["top_k"] = (s, v) => s.DrawTopK(v.Integer()),
        ["seed"] = (s, v) => s.Draw(o => o with { Seed = v.Long() }),
        ["frequency_penalty"] = (s, v) => s.Change(o => o with { FrequencyPenalty = v.Number() }),
        ["presence_penalty"] = (s, v) => s.Change(o => o with { PresencePenalty = v.Number() }),
        ["max_tokens"] = (s, v) => s.MaxTokens = v.Integer(),
        ["max_new_tokens"] = (s, v) => s.MaxTokens = v.Integer(),
        ["max_output_tokens"] = (s, v) => s.MaxTokens = v.Integer(),
        ["max_completion_tokens"] = (s, v) => s.MaxTokens = v.Integer(),
        ["num_predict"] = (s, v) => s.MaxTokens = v.Integer(),
        ["stop"] = (s, v) => s.Stops = v.Texts(),
        ["stop_sequences"] = (s, v) => s.Stops = v.Texts(),

        // Hugging Face's generate.
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
        ["repeat_penalty"] = (s, v) => s.Change(o => o with { RepetitionPenalty = v.Number() }),
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
        ["top_logprobs"] = (s, v) => s.TopLogProbabilities = v.Integer(),
        ["num_beams"] = (s, v) => s.Search(o => o with { BeamCount = v.Integer() }),
        ["length_penalty"] = (s, v) => s.Search(o => o with { LengthPenalty = v.Number() }),
        ["early_stopping"] = (s, v) => s.Search(o => o with { EarlyStopping = v.EarlyStopping() }),

        // Forms of the answer, by the names that other servers give them.
        ["choice"] = (s, v) => s.Forms.Add(AnswerForm.OfChoices(v.Texts())),
        ["guided_choice"] = (s, v) => s.Forms.Add(AnswerForm.OfChoices(v.Texts())),
        ["regex"] = (s, v) => s.Forms.Add(AnswerForm.OfRegex(v.Text())),
        ["guided_regex"] = (s, v) => s.Forms.Add(AnswerForm.OfRegex(v.Text())),
        ["grammar"] = (s, v) => s.Forms.Add(AnswerForm.OfGbnf(v.Text())),
        ["guided_grammar"] = (s, v) => s.Forms.Add(AnswerForm.OfGbnf(v.Text())),
        ["json_schema"] = (s, v) => s.Forms.Add(AnswerForm.OfSchema(v.JsonOrText())),
        ["guided_json"] = (s, v) => s.Forms.Add(AnswerForm.OfSchema(v.JsonOrText())),

        // Variables of the chat template.
        ["enable_thinking"] = (s, v) => s.TemplateVariables["enable_thinking"] = v.Json(),
        ["chat_template_kwargs"] = (s, v) => s.AddVariables(v.Json()),
    };

    // Settings of other services that make no difference to an answer of this model.
    private static readonly HashSet<string> Harmless = new(StringComparer.OrdinalIgnoreCase)
    {
        "user", "num_ctx", "stream", "stream_options", "parallel_tool_calls", "store", "metadata", "keep_alive", "service_tier",
        "safety_identifier", "prompt_cache_key",
        "num_thread", "num_gpu", "num_batch", "use_mmap", "low_vram",
    };

    // How many answers a request wants: this client gives one.
    private static readonly string[] Counts = ["n", "results_per_prompt", "num_return_sequences", "candidate_count", "best_of"];

    /// <summary>
    /// The keys of <see cref="ChatOptions.AdditionalProperties"/> that are understood, most of them by their names in Hugging Face's
    /// <c>generate</c>.
    /// </summary>
    public static IReadOnlyCollection<string> KnownProperties => Readers.Keys;

    /// <summary>Reads a request.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">The settings, or null.</param>
    public ChatRequest Read(IEnumerable<ChatMessage> messages, ChatOptions? options) => Finish(ReadSettings(messages, options));

    /// <summary>Reads settings alone, for a prompt that is no conversation.</summary>
    /// <param name="options">The settings, or null.</param>
    /// <returns>A request that has yet to be given its prompt.</returns>
    public GenerationRequest ReadCompletion(ChatOptions? options)
    {
        var request = ReadSettings([], options is null ? null : WithoutTools(options));
        return request.Beams is null
            ? request.Generation with
            {
                Turns = null,
                Tools = null,
                Constraint = request.Generation.Constraint ?? Constraint(request, reasoning: null, startsInReasoning: false),
            }
            : throw new NotSupportedException("Text generation has no beam search; leave out num_beams, or use the chat client.");
    }

    private ChatRequest ReadSettings(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var turns = ChatMessages.ToTurns(messages, options?.Instructions);
        if (options is null)
            return new ChatRequest(new GenerationRequest { Turns = turns, MaxOutputTokens = model.Options.DefaultMaxOutputTokens }, null);
        Refuse(options);
        var tools = RequestedTools.Read(options, () => model.ToolCalls);

        var start = StartingPoint(options);
        var settings = new Settings(start.Sampling ?? model.DefaultSampling)
        {
            IncludeLogProbabilities = start.IncludeLogProbabilities,
            TopLogProbabilities = start.TopLogProbabilities,
        };
        ReadAdditional(options, settings);
        if (options.Temperature is { } temperature)
            settings.Draw(o => o with { Temperature = temperature });
        if (options.TopP is { } topP)
            settings.Draw(o => o with { TopP = topP });
        if (options.TopK is { } topK)
            settings.DrawTopK(topK);
        if (options.Seed is { } seed)
            settings.Draw(o => o with { Seed = seed });
        if (options.FrequencyPenalty is { } frequency)
            settings.Change(o => o with { FrequencyPenalty = frequency });
        if (options.PresencePenalty is { } presence)
            settings.Change(o => o with { PresencePenalty = presence });
        var generation = start with
        {
            Turns = turns,
            Tools = tools?.Declare(),
            TemplateVariables = Variables(options, settings),
            MaxOutputTokens = options.MaxOutputTokens ?? settings.MaxTokens ?? start.MaxOutputTokens
                ?? model.Options.DefaultMaxOutputTokens,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. stops] : settings.Stops ?? start.StopStrings,
            Sampling = settings.Sampling,
            IncludeLogProbabilities = settings.IncludeLogProbabilities,
            TopLogProbabilities = settings.TopLogProbabilities,
        };
        var beams = settings.BeamSearch();
        if (beams is not null && tools is not null)
            throw new NotSupportedException("Beam search cannot be combined with functions; leave out num_beams or Tools.");
        var form = AnswerForm.Read(options.ResponseFormat, settings.Forms);
        if (beams is not null && form is not null)
            throw new NotSupportedException("Beam search cannot be combined with a form of the answer; leave out num_beams, or the form.");
        return new ChatRequest(generation, beams)
        {
            Tools = tools,
            ForbiddenCalls = form is null && beams is null && RequestedTools.Forbids(options)
                ? new ForbiddenCalls(model.ToolCalls, [.. options.Tools?.OfType<AIFunctionDeclaration>() ?? []])
                : null,
            Form = form,
            ShowsReasoning = options.Reasoning?.Output != ReasoningOutput.None,
            SkipsReasoning = options.Reasoning?.Effort == ReasoningEffort.None,
        };
    }

    private static ChatOptions WithoutTools(ChatOptions options)
    {
        var settings = options.Clone();
        settings.Tools = null;
        settings.ToolMode = null;
        return settings;
    }

    private void ReadAdditional(ChatOptions options, Settings settings)
    {
        foreach (var (key, content) in options.AdditionalProperties ?? [])
        {
            // Settings that were never set arrive as null from Semantic Kernel's conversions.
            if (content is null || Harmless.Contains(key))
                continue;
            var value = new PropertyValue(key, content);
            if (Readers.TryGetValue(key, out var read))
                read(settings, value);
            else if (Counts.Contains(key, StringComparer.OrdinalIgnoreCase))
                RequireOne(key, value.Integer());
            else if (model.Options.Strict)
                throw new ArgumentException(
                    $"The setting '{key}' is not known; known are {string.Join(", ", Readers.Keys.Order(StringComparer.Ordinal))}.",
                    nameof(options));
            else
                notices.Warn("property:" + key, $"The setting '{key}' is not known to the local model and is left out (set "
                    + "LocalGptOptions.Strict to make this an error).");
        }
    }

    private static void RequireOne(string key, int count)
    {
        if (count != 1)
            throw new NotSupportedException(
                $"'{key}' is {count}, but a request gets one answer; send it {count} times, they run together.");
    }

    // What depends on the rendered prompt and on the model's tokens.
    private ChatRequest Finish(ChatRequest request)
    {
        var template = request.Tools is null ? model.ChatTemplate : model.ToolTemplate;
        var tags = template.ReasoningTags;
        var marks = request.Tools?.Format is { } format
            ? (string?[])[format.Open, format.Between, format.Close, format.AlternateTrigger, tags.Open, tags.Close]
            : [tags.Open, tags.Close];
        bool starts = request.Generation.Turns is { Count: > 0 }
            && model.Render(request.Generation).Text.AsSpan().TrimEnd().EndsWith(tags.Open, StringComparison.Ordinal);
        bool reasons = starts || (!request.SkipsReasoning && template.Jinja.Contains(tags.Close, StringComparison.Ordinal));
        return request with
        {
            ReasoningTags = tags,
            StartsInReasoning = starts,
            Generation = request.Generation with
            {
                Constraint = request.Generation.Constraint ?? Constraint(request, reasons ? tags : null, starts),
                VisibleControlTokens =
                [
                    .. model.Tokenizer.SpecialTokens.Select(token => token.Content)
                        .Where(token => marks.Any(mark => mark?.Contains(token, StringComparison.Ordinal) == true)),
                ],
            },
        };
    }

    private Grammar? Constraint(ChatRequest request, ReasoningTags? reasoning, bool startsInReasoning)
    {
        if (request.Tools is null && request.Form is null && request.ForbiddenCalls is null)
            return null;
        try
        {
            _ = model.TokenVocabulary;
        }
        catch (TokenizerException exception) when (request.Form is null && request.Tools is not { MustCall: true })
        {
            notices.Warn("constraint",
                $"Function calls are read as the model writes them, without a guarantee of their form. {exception.Message}");
            return null;
        }

        var key = $"{request.Tools?.Key} {request.Form?.Key} {request.ForbiddenCalls?.Key} {reasoning} {startsInReasoning}";
        return grammars.Get(key, () =>
        {
            var constraint = new AnswerConstraint(model.Tokenizer, notices);
            var form = request.ForbiddenCalls is { } forbidden
                ? constraint.WordsWithoutCalls(forbidden.Format, forbidden.Functions)
                : request.Form?.Grammar();
            return constraint.Of(request.Tools, form, reasoning, startsInReasoning)!;
        });
    }

    // The variables of the template: the caller's own, and what the reasoning effort means to it.
    private Dictionary<string, JsonElement>? Variables(ChatOptions options, Settings settings)
    {
        var variables = settings.TemplateVariables;
        if (options.Reasoning?.Effort is { } effort)
        {
            var template = model.ChatTemplate.Jinja;
            bool thinks = effort != ReasoningEffort.None;
            if (template.Contains("enable_thinking", StringComparison.Ordinal))
                variables.TryAdd("enable_thinking",
                    JsonSerializer.SerializeToElement(thinks, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(bool))));
            else if (thinks && template.Contains("reasoning_effort", StringComparison.Ordinal))
                variables.TryAdd("reasoning_effort",
                    JsonSerializer.SerializeToElement(EffortName(effort), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(string))));
            else if (thinks)
                notices.Warn("reasoning",
                    "The model's chat template has no setting for reasoning; the reasoning effort of the request is left out.");
        }

        return variables.Count > 0 ? variables : null;
    }

    private static string EffortName(ReasoningEffort effort) => effort switch
    {
        ReasoningEffort.Low => "low",
        ReasoningEffort.Medium => "medium",
        _ => "high",
    };

    private void Refuse(ChatOptions options)
    {
        if (options.ConversationId is not null)
            throw new NotSupportedException("The client stores no conversations; send the whole history and no ConversationId.");
#pragma warning disable MEAI001 // Still marked as experimental there; it is read only to refuse it.
        if (options.ContinuationToken is not null)
            throw new NotSupportedException("Responses cannot be resumed; leave ContinuationToken unset.");
#pragma warning restore MEAI001
        if (options.ModelId is { } modelId && modelId != model.ModelId)
            notices.Warn("model:" + modelId,
                $"A request asks for the model '{modelId}'; '{model.ModelId}' answers it, the only model of this client.");
    }

    // RawRepresentationFactory may return a GenerationRequest to start from; options that are set take precedence.
    private GenerationRequest StartingPoint(ChatOptions options)
    {
        switch (options.RawRepresentationFactory?.Invoke(client))
        {
            case null:
                return new GenerationRequest();
            case GenerationRequest { Prompt: null, TokenIds: null, Turns: null } request:
                return request;
            case GenerationRequest:
                throw new ArgumentException(
                    "The GenerationRequest of RawRepresentationFactory must bring settings only; the prompt comes from the messages.",
                    nameof(options));
            case var other:
                throw new ArgumentException(
                    $"RawRepresentationFactory returned a {other.GetType().Name}; this client takes a GenerationRequest.", nameof(options));
        }
    }

    // The settings gathered so far.
    private sealed class Settings(SamplingOptions start)
    {
        private BeamSearchOptions? _beams;
        private bool _drawing;

        public SamplingOptions Sampling { get; private set; } = start;

        public bool IncludeLogProbabilities { get; set; }

        public int TopLogProbabilities { get; set; }

        public int? MaxTokens { get; set; }

        public List<AnswerForm> Forms { get; } = [];

        public Dictionary<string, JsonElement> TemplateVariables { get; } = new(StringComparer.Ordinal);

        public string[]? Stops { get; set; }

        public void Change(Func<SamplingOptions, SamplingOptions> change) => Sampling = change(Sampling);

        // A setting of the draw: a greedy default gives way to temperature 1, unless the request itself says 0.
        public void Draw(Func<SamplingOptions, SamplingOptions> change)
        {
            if (!_drawing && Sampling.IsGreedy)
                Sampling = Sampling with { Temperature = 1 };
            _drawing = true;
            Sampling = change(Sampling);
        }

        // 0 and −1 mean that top-k is off, here as in other libraries.
        public void DrawTopK(int topK)
            => Draw(o =>
                o with
                {
                    TopK = topK >= -1
                    ? Math.Max(topK, 0)
                    : throw new ArgumentOutOfRangeException("options", topK, $"TopK is {topK}; it must be at least 1, or 0 for none.")
                });

        public void Search(Func<BeamSearchOptions, BeamSearchOptions> change)
            => _beams = change(_beams ?? new BeamSearchOptions { BeamCount = 1 });

        public void AddVariables(JsonElement variables)
        {
            if (variables.ValueKind != JsonValueKind.Object)
                throw new ArgumentException("'chat_template_kwargs' must be an object: the names and values of template variables.",
                    "options");
            foreach (var variable in variables.EnumerateObject())
                TemplateVariables[variable.Name] = variable.Value.Clone();
        }

        /// <summary>The beam search, or null where one beam is all that was asked for.</summary>
        public BeamSearchOptions? BeamSearch()
        {
            if (_beams is { BeamCount: < 1 })
                throw new ArgumentOutOfRangeException("options", _beams.BeamCount, "num_beams must be at least 1.");
            if (_beams is not { BeamCount: > 1 })
                return null;
            return IncludeLogProbabilities
                ? throw new NotSupportedException("Log-probabilities are not available with beam search; leave out logprobs or num_beams.")
                : _beams;
        }
    }
}

/// <summary>Calls that an answer must not hold, although the model knows how to write them.</summary>
/// <param name="Format">How the model writes calls.</param>
/// <param name="Functions">The functions of the request.</param>
internal sealed record ForbiddenCalls(ToolCallFormat Format, IReadOnlyList<AIFunctionDeclaration> Functions)
{
    /// <summary>Equal for the same calls.</summary>
    public string Key => $"no calls {string.Join(' ', Functions.Select(f => f.Name))}";
}
