using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Models;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Training;

/// <summary>What a recipe trains.</summary>
/// <param name="Task">The task.</param>
/// <param name="Parts">What is saved beside the model.</param>
/// <param name="Fresh">Whether the model is a new one.</param>
internal sealed record RecipeTask(TrainingTask Task, CheckpointParts Parts, bool Fresh)
{
    /// <summary>The token that ends what the model writes; null for the model's own.</summary>
    public int? EndId { get; init; }
}

/// <summary>Makes the tasks of recipes: reads data and models.</summary>
internal static class RecipeTasks
{
    /// <summary>The longest text of a chat with a new model, and with a known one.</summary>
    public const int ChatContext = 512, LongestDefaultContext = 2048;

    /// <summary>What a new encoder and a new Transformer read.</summary>
    public const int EncoderContext = 128, TranslationContext = 256;

    /// <summary>The width of a new encoder and of a new Transformer for each layer of its depth.</summary>
    public const int EncoderWidth = 32, TranslationWidth = 64;

    private const double DefaultBeta = 0.1;
    private const int DefaultCompletion = 64;
    private const float NewEncoderDecoderDropout = 0.1f;
    private static readonly string[] EncoderTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    private static readonly string[] TranslationTokens = ["<pad>", "</s>"];

    /// <summary>Makes the task of the settings.</summary>
    public static RecipeTask Make(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
        => settings.Recipe switch
        {
            "text" or "distill" => Texts(settings, held, cancellationToken),
            "completions" => Completions(settings, held, cancellationToken),
            "chat" => Conversations(settings, held, cancellationToken),
            "masked" => Masked(settings, held),
            "translation" => Translations(settings, held, cancellationToken),
            "classify" => Classes(settings, held),
            "tag" => Tags(settings, held),
            "answers" => Answers(settings, held),
            "embed" => Embeddings(settings, held),
            "preferences" or "reward" => Preferences(settings, held, cancellationToken),
            _ => Policy(settings, held, cancellationToken),
        };

    private static RecipeTask Texts(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var (model, tokenizer, parts, fresh) = Gpt(settings, held, () => RecipeData.Texts(settings), cancellationToken);
        var data = held.Keep(RecipeData.Tokens(settings, tokenizer));
        TrainingTask task = settings.Recipe == "text"
            ? new LanguageModeling(model, data)
            : new Distillation(model, held.Keep(ModelCheckpoint.Load(HubModels.Resolve(settings.Teacher))), data)
            {
                Temperature = (float)(settings.Temperature ?? 2),
                Alpha = (float)(settings.Alpha ?? 0.5),
            };
        return new RecipeTask(held.Keep(task), parts, fresh);
    }

    private static RecipeTask Completions(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var lines = RecipeData.Lines(settings, json => json.TryGetProperty("question", out _)
            ? (RecipeData.Text(json, "question"), RecipeData.Text(json, "answer"))
            : (RecipeData.Text(json, "prompt"), RecipeData.Text(json, "completion")));
        var (model, tokenizer, parts, fresh) = Gpt(
            settings, held, () => TokenizerTexts(settings, lines.Train, lines.HeldOut).Select(l => l.Item1 + l.Item2), cancellationToken);
        var data = Dataset(settings, held, model, lines.Train, lines.HeldOut, model.ContextLength,
            (texts, options) => ChatDataset.FromCompletions(tokenizer, texts, EndOf(parts), options));
        return new RecipeTask(held.Keep(new LanguageModeling(model, data)), parts, fresh);
    }

    private static RecipeTask Conversations(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var (train, heldOut) = RecipeData.Conversations(settings);
        bool fresh = settings.Model.Length == 0;
        var text = fresh
            ? NewChatText(TokenizerTexts(settings, train, heldOut), settings, cancellationToken)
            : CheckpointText.Load(HubModels.Resolve(settings.Model));
        var model = fresh
            ? held.Keep(Gpt2.Create(NewGpt(settings, text.Tokenizer!.VocabularySize, settings.Context ?? ChatContext), settings.Seed))
            : Known(settings, held);
        var data = Dataset(settings, held, model, train, heldOut, Math.Min(model.ContextLength, LongestDefaultContext),
            (conversations, options) => ChatDataset.From(text, conversations, options));
        return new RecipeTask(held.Keep(new LanguageModeling(model, data)), PartsOf(text), fresh);
    }

    // What --held-out names stays unseen; the tenth of the data is drawn later.
    private static IEnumerable<T> TokenizerTexts<T>(RecipeSettings settings, IReadOnlyList<T> train, IReadOnlyList<T> heldOut)
        => settings.HeldOut.Length > 0 ? train : train.Concat(heldOut);

    // A tenth is held out so that equal ones stay together, or what --held-out has.
    private static ChatDataset Dataset<T>(
        RecipeSettings settings, Disposables held, CausalModel model, IReadOnlyList<T> train, IReadOnlyList<T> heldOut, int usualContext,
        Func<IEnumerable<T>, ChatDatasetOptions, ChatDataset> make)
    {
        int context = settings.Context ?? usualContext;
        var options = new ChatDatasetOptions
        {
            ContextLength = context,
            TooLong = settings.CutLong ? LongConversations.Cut : LongConversations.Skip,
        };
        var whole = options with { ValidationFraction = 0 };
        var data = held.Keep(settings.HeldOut.Length > 0 ? make(train, whole).WithValidation(make(heldOut, whole))
            : train.Count + heldOut.Count < 2 ? make(train, whole)
            : make(train.Concat(heldOut), options));
        Console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{data.TrainConversations:N0} texts with {data.Tokens:N0} tokens, {data.AnswerTokens:N0} of them in answers; "
                + $"{data.ValidationConversations:N0} held out, {data.Skipped:N0} skipped and {data.Cut:N0} cut as longer than "
                + $"{context:N0} tokens, {data.WithoutAnswer:N0} without an answer"));
        return data;
    }

    private static RecipeTask Masked(RecipeSettings settings, Disposables held)
    {
        var (train, heldOut) = RecipeData.Split(Read(settings.Data), settings, Read, null);
        var (model, tokenizer, parts, fresh) = Encoder(
            settings, held, TokenizerTexts(settings, train, heldOut).SelectMany(d => d), EncoderHead.Pretraining, null);
        return new RecipeTask(held.Keep(new MaskedLanguageModeling(model, tokenizer, train, heldOut)), parts, fresh);

        IReadOnlyList<IReadOnlyList<string>> Read(string path) => RecipeData.Documents(settings, path);
    }

    private static RecipeTask Classes(RecipeSettings settings, Disposables held)
    {
        var (train, heldOut) = RecipeData.Lines(settings, json => (Text: RecipeData.Text(json, "text"),
            Second: RecipeData.OptionalText(json, "second"), Label: RecipeData.Label(json)));
        string[] labels = [.. train.Select(l => l.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        var (model, tokenizer, parts, fresh) = Encoder(
            settings, held, train.Select(l => l.Text), EncoderHead.SequenceClassification, labels);
        LabeledText Labeled((string Text, string? Second, string Label) l) => new(l.Text, Array.IndexOf(labels, l.Label), l.Second);
        return new RecipeTask(held.Keep(new TextClassification(model, tokenizer, [.. train.Select(Labeled)],
            [.. heldOut.Where(l => labels.Contains(l.Label)).Select(Labeled)])), parts, fresh);
    }

    private static RecipeTask Tags(RecipeSettings settings, Disposables held)
    {
        var (train, heldOut) = TaggedData.Read(settings);
        string[] kinds = [.. train.Concat(heldOut).SelectMany(t => t.Spans).Select(s => s.Label).Distinct(StringComparer.Ordinal)
            .Order(StringComparer.Ordinal)];
        if (kinds.Length == 0)
            throw new TrainingException($"'{settings.Data}' has no span, and all tags are O.");
        string[] labels = [SpanTags.Outside, .. kinds.SelectMany(kind => (string[])[$"B-{kind}", $"I-{kind}"])];

        // Capitals tell names.
        var (model, tokenizer, parts, fresh) = Encoder(
            settings, held, train.Select(t => t.Text), EncoderHead.TokenClassification, labels, lowercase: false);
        return new RecipeTask(held.Keep(new TokenClassification(
            model, tokenizer, [.. train.Select(Tagged)], [.. heldOut.Select(Tagged)])
        {
            Score = (right, found) =>
            {
                var (precision, recall, f1) = new SpanScore(right, found).Micro;
                return [new("span_precision", precision), new("span_recall", recall), new("span_f1", f1)];
            },
        }), parts, fresh);

        TaggedText Tagged((string Text, IReadOnlyList<LabeledSpan> Spans) t)
            => new(t.Text, [.. t.Spans.Select(s => (s.Start, s.End, Array.IndexOf(labels, $"B-{s.Label}")))]);
    }

    private static RecipeTask Answers(RecipeSettings settings, Disposables held)
    {
        var (train, heldOut) = RecipeData.Split(RecipeData.Squad(settings.Data), settings, RecipeData.Squad, q => q.Passage);
        if (train.Count == 0)
            throw new TrainingException($"'{settings.Data}' has no question with an answer.");
        var (model, tokenizer, parts, fresh) = Encoder(
            settings, held, train.SelectMany(q => (string[])[q.Question, q.Passage]), EncoderHead.QuestionAnswering, null);
        var language = RecipeData.LanguageOf(train[0].Passage);
        return new RecipeTask(held.Keep(new ExtractiveQuestionAnswering(model, tokenizer, train, heldOut)
        {
            Score = (answer, right) => AnswerScore.Of(answer, right, language) is var score ? (score.Exact, score.F1) : default,
        }), parts, fresh);
    }

    private static RecipeTask Embeddings(RecipeSettings settings, Disposables held)
    {
        // The first line that can be read says of which kind all are.
        bool? scored = null;
        var (train, heldOut) = RecipeData.Lines(settings, json =>
        {
            bool hasScore = json.TryGetProperty("similarity", out var similarity);
            object pair = hasScore
                ? new ScoredPair(RecipeData.Text(json, "first"), RecipeData.Text(json, "second"), Similarity(similarity))
                : new TextPair(
                    RecipeData.Text(json, "anchor"), RecipeData.Text(json, "positive"), RecipeData.OptionalText(json, "negative"));
            scored ??= hasScore;
            return scored == hasScore
                ? pair
                : throw new FormatException("some lines have a 'similarity', others an 'anchor'; give one kind");
        });
        string[] texts = [.. train.SelectMany(p => p is ScoredPair s ? (string[])[s.First, s.Second]
            : [((TextPair)p).Anchor, ((TextPair)p).Positive])];
        var (model, tokenizer, parts, fresh) = Encoder(settings, held, texts, EncoderHead.None, null);
        TrainingTask task = scored == true
            ? new SentenceEmbeddings(model, tokenizer, [.. train.Cast<ScoredPair>()], [.. heldOut.Cast<ScoredPair>()])
            : new SentenceEmbeddings(model, tokenizer, [.. train.Cast<TextPair>()], [.. heldOut.Cast<TextPair>()]);
        return new RecipeTask(held.Keep(task), parts, fresh);
    }

    private static double Similarity(JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number)
            ? number
            : throw new FormatException("'similarity' should be a number");

    private static RecipeTask Translations(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var (train, heldOut) = RecipeData.Pairs(settings);
        var known = settings.Model.Length == 0 ? null : HubModels.Resolve(settings.Model);
        if (known is not null && !EncoderDecoderCheckpoint.IsEncoderDecoder(known))
            throw new UsageException($"--model '{settings.Model}' is no encoder–decoder (Transformer, Marian, T5)");
        var tokenizer = known is not null ? ModelFiles.Tokenizer(settings.Model) : Tokenizer.TrainByteLevelBpe(
            train.SelectMany(p => (string[])[p.Source, p.Target]), new BpeTrainingOptions
            {
                VocabularySize = VocabularyOf(settings),
                SpecialTokens = TranslationTokens,
                AddPrefixSpace = true,
            }, cancellationToken);
        int depth = settings.Depth ?? RecipeSettings.DefaultDepth, width = TranslationWidth * depth;
        var model = held.Keep(known is not null ? EncoderDecoderCheckpoint.Load(known) : Marian.Create(
            new MarianConfig
            {
                VocabularySize = tokenizer.VocabularySize,
                ContextLength = settings.Context ?? TranslationContext,
                Width = width,
                EncoderLayers = depth,
                DecoderLayers = depth,
                EncoderHeads = depth,
                DecoderHeads = depth,
                EncoderFeedForwardWidth = 4 * width,
                DecoderFeedForwardWidth = 4 * width,
                Dropout = (float?)settings.Dropout ?? NewEncoderDecoderDropout,
            },
            settings.Seed));
        RequireContext(settings, model.ContextLength);
        var search = known is not null
            ? CheckpointFolder.Read(known, SequenceSettings.Load)
            : new SequenceSettings { PadTokenId = 0, EndTokenIds = [1] };
        return new RecipeTask(held.Keep(new Translation(model, tokenizer, search, train, heldOut) { Score = RecipeData.Bleu(heldOut) }),
            CheckpointParts.Of(tokenizer), known is null);
    }

    private static RecipeTask Preferences(RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var prompts = new PromptData(CheckpointText.Load(HubModels.Resolve(settings.Model)));
        if (PromptData.IsRated(settings.Data))
            return RatedCompletions(settings, held, prompts, cancellationToken);
        var lines = RecipeData.Records(settings, prompts.Pair);
        var (model, tokenizer, parts, _) = Gpt(settings, held, () => [], cancellationToken);
        var end = prompts.EndId;
        PreferencePairs train = PreferencePairs.From(tokenizer, lines.Train, end),
            heldOut = PreferencePairs.From(tokenizer, lines.HeldOut, end);
        int context = settings.Context ?? model.ContextLength, longer = 0;
        if (settings.Context is not null)
            (train, longer) = train.Within(context);
        (heldOut, int longerHeldOut) = heldOut.Within(context);
        TellLeftOut("pairs", longer, longerHeldOut, context);
        if (settings.Recipe == "reward")
            return new RecipeTask(
                held.Keep(new RewardModeling(RewardModel.Create(model, settings.Seed), train, heldOut)), parts, false)
            {
                EndId = end,
            };
        var method = (settings.Method ?? "dpo") switch
        {
            "ipo" => PreferenceMethod.Ipo,
            "kto" => PreferenceMethod.Kto,
            "orpo" => PreferenceMethod.Orpo,
            "simpo" => PreferenceMethod.SimPo,
            "cpo" => PreferenceMethod.Cpo,
            _ => PreferenceMethod.Dpo,
        };
        return new RecipeTask(
            held.Keep(new PreferenceOptimization(model, train, heldOut, new PreferenceOptimizationOptions
            {
                Method = method,
                Beta = (float)(settings.Beta ?? DefaultBeta),
                LabelSmoothing = (float)(settings.LabelSmoothing ?? 0),
            })), parts, false)
        {
            EndId = end,
        };
    }

    // Single answers that are wanted or not.
    private static RecipeTask RatedCompletions(
        RecipeSettings settings, Disposables held, PromptData prompts, CancellationToken cancellationToken)
    {
        if (settings.Recipe == "reward" || settings.Method != "kto")
            throw new UsageException($"--data '{settings.Data}' has single completions with a 'label'; they are for 'train preferences "
                + "--method kto', and the others learn from pairs (chosen, rejected)");
        var (train, heldOut) = RecipeData.Records(settings, prompts.Rated);
        var (model, tokenizer, parts, _) = Gpt(settings, held, () => [], cancellationToken);
        int context = settings.Context ?? model.ContextLength;
        var fitting = settings.Context is null ? train : Within(train);
        var fittingHeldOut = Within(heldOut);
        TellLeftOut("completions", train.Count - fitting.Count, heldOut.Count - fittingHeldOut.Count, context);
        return new RecipeTask(held.Keep(new UnpairedPreferenceOptimization(
            model, tokenizer, fitting, fittingHeldOut, prompts.EndId, (float)(settings.Beta ?? DefaultBeta))), parts, false)
        {
            EndId = prompts.EndId,
        };

        IReadOnlyList<RatedCompletion> Within(IReadOnlyList<RatedCompletion> completions)
            => [.. completions.Where(c => CompletionTokens.Of(tokenizer, c.Prompt, c.Completion, prompts.EndId).Ids.Length <= context)];
    }

    private static void TellLeftOut(string what, int learned, int heldOut, int context)
    {
        if (learned + heldOut > 0)
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"left out: {learned:N0} {what}, and {heldOut:N0} held out, that are longer than {context:N0} tokens"));
    }

    private static RecipeTask Policy(RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var prompts = new PromptData(CheckpointText.Load(HubModels.Resolve(settings.Model)));
        var lines = RecipeData.Records(settings, line => prompts.Rewarded(line, needsAnswer: settings.Recipe == "grpo"));
        var (model, tokenizer, parts, _) = Gpt(settings, held, () => [], cancellationToken);
        var end = prompts.EndId;
        if (settings.MaxTokens >= model.ContextLength)
            throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                $"--max-tokens {settings.MaxTokens}: the model's context is {model.ContextLength}, and the prompt needs room in it"));
        var reference = held.Keep(ModelCheckpoint.Load(HubModels.Resolve(settings.Model)));
        var options = new PolicyOptimizationOptions
        {
            EndId = end,
            MaxCompletionTokens = settings.MaxTokens ?? Math.Max(1, Math.Min(DefaultCompletion, model.ContextLength / 2)),
        };
        options = options with
        {
            GroupSize = settings.Group ?? options.GroupSize,
            Temperature = settings.Temperature ?? options.Temperature,
        };
        if (settings.Recipe == "grpo")
            return new RecipeTask(
                held.Keep(new GroupRelativePolicyOptimization(model, reference, tokenizer, lines.Train, lines.HeldOut,
                    (prompt, completion) => VerifiableReward.FinalResult(completion, prompt.Reference), options)), parts, false)
            {
                EndId = end,
            };
        var (body, score) = ModelCheckpoint.LoadScored(settings.Teacher);
        var reward = held.Keep(new RewardModel(body, score));
        return new RecipeTask(
            held.Keep(new ProximalPolicyOptimization(model, reference, tokenizer, lines.Train, lines.HeldOut,
                held.Keep(new RewardScorer(reward, tokenizer, end)).Score, options)), parts, false)
        {
            EndId = end,
        };
    }

    /// <summary>The model's first end token; null where it has none.</summary>
    public static int? EndOf(CheckpointParts parts) => parts.GenerationSettings.EosTokenIds is [var first, ..] ? first : null;

    private static int VocabularyOf(RecipeSettings settings) => settings.Vocabulary ?? RecipeSettings.DefaultVocabulary;

    private static Gpt2Config NewGpt(RecipeSettings settings, int vocabulary, int? context)
    {
        float dropout = (float)(settings.Dropout ?? 0);
        return DepthDial.Model(settings.Depth ?? RecipeSettings.DefaultDepth, vocabulary, context) with
        {
            EmbeddingDropout = dropout,
            AttentionDropout = dropout,
            ResidualDropout = dropout,
        };
    }

    private static void RequireContext(RecipeSettings settings, int? most)
    {
        if (settings.Context > most)
            throw new UsageException(string.Create(
                CultureInfo.InvariantCulture, $"--context {settings.Context}: the model's context is {most}"));
    }

    private static (CausalModel Model, Tokenizer Tokenizer, CheckpointParts Parts, bool Fresh) Gpt(
        RecipeSettings settings, Disposables held, Func<IEnumerable<string>> texts, CancellationToken cancellationToken)
    {
        if (settings.Model.Length > 0)
        {
            var text = CheckpointText.Load(HubModels.Resolve(settings.Model));
            return (Known(settings, held), text.Tokenizer!, PartsOf(text), false);
        }

        var tokenizer = settings.Teacher.Length > 0
            ? CheckpointText.Load(HubModels.Resolve(settings.Teacher)).Tokenizer!
            : Tokenizer.TrainByteLevelBpe(texts(), new BpeTrainingOptions
            {
                VocabularySize = VocabularyOf(settings),
                SpecialTokens = [CheckpointParts.EndOfText],
            }, cancellationToken);
        var model = held.Keep(Gpt2.Create(NewGpt(settings, tokenizer.VocabularySize, settings.Context), settings.Seed));
        return (model, tokenizer, CheckpointParts.Of(tokenizer), true);
    }

    // The model to go on from, with an adapter where one is asked for.
    private static CausalModel Known(RecipeSettings settings, Disposables held)
    {
        var model = held.Keep(ModelCheckpoint.Load(
            HubModels.Resolve(settings.Model), settings.Lora is null ? WeightPrecision.Single : WeightPrecision.AsStored));
        RequireContext(settings, model.ContextLength);
        if (settings.Lora is not { } rank)
            return model;
        try
        {
            model.AddLora(new LoraOptions
            {
                Rank = rank,
                Alpha = settings.LoraAlpha ?? 2.0 * rank,
                Targets = settings.LoraTargets?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Dora = settings.Dora,
                RankStabilized = settings.Rslora,
                Dropout = (float)(settings.Dropout ?? 0),
                Seed = settings.Seed,
            });
        }
        catch (ArgumentException exception)
        {
            throw new UsageException($"--lora-targets '{settings.LoraTargets}': {UserText.Of(exception.Message)}");
        }

        return model;
    }

    private static CheckpointParts PartsOf(CheckpointText text)
        => CheckpointParts.Of(text.Tokenizer!) with { TokenizerSettings = text.Settings, GenerationSettings = text.Generation };

    // The tokenizer of a new model learns from what the model will read, functions and calls included.
    private static CheckpointText NewChatText(
        IEnumerable<Conversation> conversations, RecipeSettings settings, CancellationToken cancellationToken)
    {
        var template = ChatTemplate.Kotonoha;
        var texts = conversations
            .Select(c => ChatEncoding.Render(template, new ChatTemplateInput { Turns = c.Turns, Tools = c.Tools }).Text)
            .Select(text => template.ControlTokens.Aggregate(text, (t, token) => t.Replace(token, "\n", StringComparison.Ordinal)));
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            texts, new BpeTrainingOptions { VocabularySize = VocabularyOf(settings), SpecialTokens = template.ControlTokens },
            cancellationToken);
        var parts = CheckpointParts.Of(tokenizer, template.Jinja);
        int endOfTurn = tokenizer.TokenToId(template.EndTokens[0])!.Value;
        return new CheckpointText(
            tokenizer,
            parts.TokenizerSettings with { ModelMaxLength = settings.Context ?? ChatContext },
            parts.GenerationSettings with { EosTokenIds = [endOfTurn, .. parts.GenerationSettings.EosTokenIds] });
    }

    private static (Bert Model, Tokenizer Tokenizer, CheckpointParts Parts, bool Fresh) Encoder(
        RecipeSettings settings, Disposables held, IEnumerable<string> texts, EncoderHead head, IReadOnlyList<string>? labels,
        bool lowercase = true)
    {
        if (settings.Model.Length > 0)
        {
            var path = HubModels.Resolve(settings.Model);
            var known = ModelFiles.Tokenizer(settings.Model).WithTruncation(null);
            if (EncoderCheckpoint.Load(path) is not Bert body)
                throw new UsageException($"--model '{settings.Model}' is no encoder of BERT's family");
            var headed = held.Keep(body.WithHead(head, labels, settings.Seed));
            body.Dispose();
            RequireContext(settings, headed.ContextLength);
            return (headed, known, CheckpointParts.Of(known), false);
        }

        var tokenizer = Tokenizer.TrainWordPiece(
            texts, new WordPieceTrainingOptions
            {
                VocabularySize = VocabularyOf(settings),
                SpecialTokens = EncoderTokens,
                Lowercase = lowercase,
            });
        int depth = settings.Depth ?? RecipeSettings.DefaultDepth, width = EncoderWidth * depth;
        var model = held.Keep(Bert.Create(
            BertConfig.Tiny with
            {
                VocabularySize = tokenizer.VocabularySize,
                Positions = settings.Context ?? EncoderContext,
                Width = width,
                Layers = depth,
                Heads = depth,
                HiddenDropout = (float?)settings.Dropout ?? BertConfig.Tiny.HiddenDropout,
                AttentionDropout = (float?)settings.Dropout ?? BertConfig.Tiny.AttentionDropout,
                FeedForwardWidth = 4 * width,
                Head = head,
                LabelNames = labels ?? ["LABEL_0", "LABEL_1"],
            },
            settings.Seed));
        return (model, tokenizer, CheckpointParts.Of(tokenizer), true);
    }
}

/// <summary>What a run holds, released in the reverse order.</summary>
internal sealed class Disposables : IDisposable
{
    private readonly Stack<IDisposable> _held = [];

    public T Keep<T>(T thing)
        where T : IDisposable
    {
        _held.Push(thing);
        return thing;
    }

    public void Dispose()
    {
        while (_held.TryPop(out var thing))
            thing.Dispose();
    }
}
