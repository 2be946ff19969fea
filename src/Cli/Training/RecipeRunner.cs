using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Training;

/// <summary>Runs a recipe: makes the task of its settings, says what it will cost, trains, logs.</summary>
internal static class RecipeRunner
{
    private const double HeldOutShare = 0.1, FineTuningRate = 5e-4, FreshRate = 1e-3, PolicyRate = 1e-4, AdapterRate = 2e-3;
    private const int ChatContext = 512, LongestDefaultContext = 2048;
    private const string CostFile = "cost.json";
    private static readonly JsonSerializerOptions CostFormat = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };
    private static readonly string[] EncoderTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    private static readonly string[] TranslationTokens = ["<pad>", "</s>"];

    /// <summary>The recipes by name, with what each needs.</summary>
    public static IReadOnlyDictionary<string, string> Recipes { get; } = new SortedDictionary<string, string>(StringComparer.Ordinal)
    {
        ["text"] = "predict the next token of the texts (.txt, .md, .jsonl) of --data: a new GPT of --depth layers, or --model further",
        ["masked"] = "pretrain a BERT on the texts of --data: masked words and next sentences",
        ["classify"] = "classes of texts: JSON lines with text (and second), label; from --model, or a new encoder",
        ["answers"] = "find answers in passages: a file in SQuAD's layout; from --model, or a new encoder",
        ["embed"] = "vectors of texts: JSON lines with anchor, positive (and negative), or first, second, similarity",
        ["preferences"] = "DPO and its kin (--method): JSON lines with prompt, chosen, rejected; needs --model",
        ["reward"] = "a reward model: JSON lines with prompt, chosen, rejected; needs --model",
        ["grpo"] = "reinforce right results: JSON lines with prompt, answer; needs --model",
        ["ppo"] = "reinforce what a reward model (--teacher) likes: JSON lines with prompt; needs --model",
        ["distill"] = "teach a new GPT of --depth layers what --teacher thinks of the texts of --data",
        ["translation"] = "turn sources into targets: JSON lines with source, target, or a .tsv file; from --model, or a new Transformer",
        ["chat"] = "answer as in conversations: JSON lines with messages (and tools) as OpenAI writes them, prompt and completion, or "
            + "ShareGPT's conversations; the loss is taken on the answers alone; from --model, or a new GPT",
        ["completions"] = "write completions: JSON lines with prompt, completion, no chat template; needs --model, or a new GPT",
    };

    /// <summary>Trains.</summary>
    public static async Task<int> RunAsync(RecipeSettings settings, CancellationToken cancellationToken)
    {
        Check(settings);
        using var held = new Disposables();
        var (task, parts, fresh) = Make(settings, held, cancellationToken);
        var options = Options(settings, task, parts, fresh);
        settings.Write();
        if (new CheckpointFolder(settings.Out).LatestStep is null)
            await TellCostAsync(settings.Out, task, options, cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ConsoleCancelEventHandler onCancel = (_, e) =>
        {
            e.Cancel = true;
            stop.Cancel();
        };
        Console.CancelKeyPress += onCancel;
        try
        {
            var result = await ProgressDisplay.RunAsync(async progress =>
            {
                using var log = new TrainingLog(settings.Out, $"{settings.Recipe}: {settings.Out}", new TrainingSink(progress));
                return await new Trainer(options).RunAsync(task, log, stop.Token);
            });
            var measured = string.Join(", ", result.Measurements.Select(m => string.Create(
                CultureInfo.InvariantCulture, $"{(m.Name == "loss" ? "held-out loss" : m.Name)} {m.Value:G4}")));
            await Console.Error.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"Trained in {result.Duration.TotalSeconds:F1} s ({result.TokensPerSecond:N0} tokens/s)"
                    + $"{(measured.Length > 0 ? $": {measured}" : "")}; the result is in {settings.Out} (chart.html shows the curves)"));
            return 0;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"Stopped and saved; the same command goes on where it stopped ({settings.Out}).");
            throw;
        }
        finally
        {
            Console.CancelKeyPress -= onCancel;
        }
    }

    /// <summary>Writes to standard output as JSON what a run would cost; nothing is trained, and nothing is written elsewhere.</summary>
    public static async Task<int> TellCostAsync(RecipeSettings settings, CancellationToken cancellationToken)
    {
        Check(settings);
        using var held = new Disposables();
        var (task, parts, fresh) = Make(settings, held, cancellationToken);
        var cost = await TrainingCost.MeasureAsync(task, Options(settings, task, parts, fresh), cancellationToken);
        await Console.Out.WriteLineAsync(JsonOf(cost));
        return 0;
    }

    private static async Task TellCostAsync(
        string folder, TrainingTask task, TrainingOptions options, CancellationToken cancellationToken)
    {
        var cost = await TrainingCost.MeasureAsync(task, options, cancellationToken);
        AtomicFile.WriteText(Path.Combine(folder, CostFile), JsonOf(cost));
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{cost.TrainedWeights:N0} weights are trained for {cost.Steps:N0} steps of {cost.TokensInStep:N0} tokens: {cost.Tokens:N0} "
                + $"tokens, {cost.Flops:E1} FLOPs, {cost.StateBytes / 1048576.0:N0} MB for weights, gradients and moments, about "
                + $"{Duration(cost.Duration)} (a measured step takes {1000 * cost.SecondsInStep:N0} ms) …"));
    }

    private static string JsonOf(TrainingCost cost) => JsonSerializer.Serialize(cost, CostFormat);

    private static string Duration(TimeSpan time) => time.TotalMinutes < 2
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F0} s")
        : time.TotalHours < 2
            ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:F0} min")
            : string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:F1} h");

    private static void Check(RecipeSettings settings)
    {
        if (!Recipes.ContainsKey(settings.Recipe))
            throw new UsageException($"there is no recipe '{settings.Recipe}'; there are {string.Join(", ", Recipes.Keys)}");
        if (settings.Out.Length == 0)
            throw new UsageException($"train {settings.Recipe} needs --out, the folder for the result");
        if (settings.Data.Length == 0)
            throw new UsageException($"train {settings.Recipe} needs --data");
        if (!File.Exists(settings.Data) && !Directory.Exists(settings.Data))
            throw new UsageException($"--data '{settings.Data}': there is no such file or folder");
        if (settings.Recipe is "preferences" or "reward" or "grpo" or "ppo" && settings.Model.Length == 0)
            throw new UsageException($"train {settings.Recipe} needs --model, the model to go on from");
        if (settings.Recipe is "distill" or "ppo" && settings.Teacher.Length == 0)
            throw new UsageException($"train {settings.Recipe} needs --teacher");
        if (settings.Lora is not null && settings.Recipe is ("masked" or "classify" or "answers" or "embed" or "translation"))
            throw new UsageException($"train {settings.Recipe} trains all weights; --lora is for GPTs");
        if (settings.Lora is not null && settings.Model.Length == 0)
            throw new UsageException($"train {settings.Recipe}: --lora needs --model, the model that the adapter is for");
        if (settings.Steps < 1 || settings.Batch < 1 || settings.Depth < 1 || settings.Context is < 2 || settings.Lora is < 1)
            throw new UsageException("--steps, --batch, --depth and --lora are at least 1, --context at least 2");
        if (settings.LearningRate is <= 0)
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--learning-rate {settings.LearningRate}: above 0"));
        if (settings.EvaluateEvery is < 1)
            throw new UsageException("--evaluate-every is at least 1");
    }

    private static (TrainingTask Task, CheckpointParts Parts, bool Fresh) Make(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
        => settings.Recipe switch
        {
            "text" or "distill" => Texts(settings, held, cancellationToken),
            "completions" => Completions(settings, held, cancellationToken),
            "chat" => Conversations(settings, held, cancellationToken),
            "masked" => Masked(settings, held),
            "translation" => Translations(settings, held, cancellationToken),
            "classify" => Classes(settings, held),
            "answers" => Answers(settings, held),
            "embed" => Embeddings(settings, held),
            "preferences" or "reward" => Preferences(settings, held, cancellationToken),
            _ => Policy(settings, held, cancellationToken),
        };

    private static (TrainingTask, CheckpointParts, bool) Texts(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var (model, tokenizer, parts, fresh) = Gpt(settings, held, () => RecipeData.Texts(settings), cancellationToken);
        var data = held.Keep(RecipeData.Tokens(settings, tokenizer));
        TrainingTask task = settings.Recipe == "text"
            ? new LanguageModeling(model, data)
            : new Distillation(model, held.Keep(ModelCheckpoint.Load(HubModels.Resolve(settings.Teacher))), data);
        return (held.Keep(task), parts, fresh);
    }

    private static (TrainingTask, CheckpointParts, bool) Completions(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var lines = RecipeData.Lines(settings, json => (RecipeData.Text(json, "prompt"), RecipeData.Text(json, "completion")));
        var (model, tokenizer, parts, fresh) = Gpt(
            settings, held, () => TokenizerTexts(settings, lines.Train, lines.HeldOut).Select(l => l.Item1 + l.Item2), cancellationToken);
        var data = Dataset(settings, held, model, lines.Train, lines.HeldOut, model.ContextLength,
            (texts, options) => ChatDataset.FromCompletions(tokenizer, texts, EndOf(parts), options));
        return (held.Keep(new LanguageModeling(model, data)), parts, fresh);
    }

    private static (TrainingTask, CheckpointParts, bool) Conversations(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var (train, heldOut) = RecipeData.Conversations(settings);
        bool fresh = settings.Model.Length == 0;
        var text = fresh
            ? NewChatText(TokenizerTexts(settings, train, heldOut), settings, cancellationToken)
            : CheckpointText.Load(HubModels.Resolve(settings.Model));
        var model = fresh
            ? held.Keep(Gpt2.Create(
                DepthDial.Model(settings.Depth, text.Tokenizer!.VocabularySize, settings.Context ?? ChatContext), settings.Seed))
            : Known(settings, held);
        var data = Dataset(settings, held, model, train, heldOut, Math.Min(model.ContextLength, LongestDefaultContext),
            (conversations, options) => ChatDataset.From(text, conversations, options));
        return (held.Keep(new LanguageModeling(model, data)), PartsOf(text), fresh);
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
        if (context > model.ContextLength)
            throw new UsageException(
                string.Create(CultureInfo.InvariantCulture, $"--context {context}: the model's context is {model.ContextLength}"));
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

    private static (TrainingTask, CheckpointParts, bool) Masked(RecipeSettings settings, Disposables held)
    {
        var documents = RecipeData.Documents(settings.Data);
        int cut = documents.Count - (int)Math.Ceiling(documents.Count * HeldOutShare);
        var (model, tokenizer, parts, fresh) = Encoder(settings, held, documents.SelectMany(d => d), EncoderHead.Pretraining, null);
        return (held.Keep(new MaskedLanguageModeling(model, tokenizer, [.. documents.Take(cut)], [.. documents.Skip(cut)])), parts, fresh);
    }

    private static (TrainingTask, CheckpointParts, bool) Classes(RecipeSettings settings, Disposables held)
    {
        var (train, heldOut) = RecipeData.Lines(settings, json => (Text: RecipeData.Text(json, "text"),
            Second: RecipeData.OptionalText(json, "second"), Label: RecipeData.Label(json)));
        string[] labels = [.. train.Select(l => l.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        var (model, tokenizer, parts, fresh) = Encoder(
            settings, held, train.Select(l => l.Text), EncoderHead.SequenceClassification, labels);
        LabeledText Labeled((string Text, string? Second, string Label) l) => new(l.Text, Array.IndexOf(labels, l.Label), l.Second);
        return (held.Keep(new TextClassification(model, tokenizer, [.. train.Select(Labeled)],
            [.. heldOut.Where(l => labels.Contains(l.Label)).Select(Labeled)])), parts, fresh);
    }

    private static (TrainingTask, CheckpointParts, bool) Answers(RecipeSettings settings, Disposables held)
    {
        var (train, heldOut) = RecipeData.Split(RecipeData.Squad(settings.Data), settings, RecipeData.Squad, q => q.Passage);
        if (train.Count == 0)
            throw new TrainingException($"'{settings.Data}' has no question with an answer.");
        var (model, tokenizer, parts, fresh) = Encoder(
            settings, held, train.SelectMany(q => (string[])[q.Question, q.Passage]), EncoderHead.QuestionAnswering, null);
        var language = RecipeData.LanguageOf(train[0].Passage);
        return (held.Keep(new ExtractiveQuestionAnswering(model, tokenizer, train, heldOut)
        {
            Score = (answer, right) => AnswerScore.Of(answer, right, language) is var score ? (score.Exact, score.F1) : default,
        }), parts, fresh);
    }

    private static (TrainingTask, CheckpointParts, bool) Embeddings(RecipeSettings settings, Disposables held)
    {
        var lines = RecipeData.Lines(settings, json => json.RootElement.Clone());
        bool scored = lines.Train[0].TryGetProperty("similarity", out _);
        if (scored)
        {
            ScoredPair Pair(JsonElement e) => new(RecipeData.Text(e, "first"), RecipeData.Text(e, "second"),
                e.GetProperty("similarity").GetDouble());
            ScoredPair[] train = [.. lines.Train.Select(Pair)], heldOut = [.. lines.HeldOut.Select(Pair)];
            var (model, tokenizer, parts, fresh) = Encoder(
                settings, held, train.SelectMany(p => (string[])[p.First, p.Second]), EncoderHead.None, null);
            return (held.Keep(new SentenceEmbeddings(model, tokenizer, train, heldOut)), parts, fresh);
        }
        else
        {
            TextPair Pair(JsonElement e) => new(
                RecipeData.Text(e, "anchor"), RecipeData.Text(e, "positive"), RecipeData.OptionalText(e, "negative"));
            TextPair[] train = [.. lines.Train.Select(Pair)], heldOut = [.. lines.HeldOut.Select(Pair)];
            var (model, tokenizer, parts, fresh) = Encoder(
                settings, held, train.SelectMany(p => (string[])[p.Anchor, p.Positive]), EncoderHead.None, null);
            return (held.Keep(new SentenceEmbeddings(model, tokenizer, train, heldOut)), parts, fresh);
        }
    }

    private static (TrainingTask, CheckpointParts, bool) Translations(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var (train, heldOut) = RecipeData.Pairs(settings);
        var known = settings.Model.Length == 0 ? null : HubModels.Resolve(settings.Model);
        if (known is not null && !EncoderDecoderCheckpoint.IsEncoderDecoder(known))
            throw new UsageException($"--model '{settings.Model}' is no encoder–decoder (Transformer, Marian, T5)");
        var tokenizer = known is not null ? ModelFiles.Tokenizer(settings.Model) : Tokenizer.TrainByteLevelBpe(
            train.SelectMany(p => (string[])[p.Source, p.Target]), new BpeTrainingOptions
            {
                VocabularySize = settings.Vocabulary,
                SpecialTokens = TranslationTokens,
                AddPrefixSpace = true,
            }, cancellationToken);
        int width = 64 * settings.Depth;
        var model = held.Keep(known is not null ? EncoderDecoderCheckpoint.Load(known) : Marian.Create(
            new MarianConfig
            {
                VocabularySize = tokenizer.VocabularySize,
                ContextLength = settings.Context ?? 256,
                Width = width,
                EncoderLayers = settings.Depth,
                DecoderLayers = settings.Depth,
                EncoderHeads = settings.Depth,
                DecoderHeads = settings.Depth,
                EncoderFeedForwardWidth = 4 * width,
                DecoderFeedForwardWidth = 4 * width,
                Dropout = 0.1f,
            },
            settings.Seed));
        var search = known is not null
            ? CheckpointFolder.Read(known, SequenceSettings.Load)
            : new SequenceSettings { PadTokenId = 0, EndTokenIds = [1] };
        return (held.Keep(new Translation(model, tokenizer, search, train, heldOut) { Score = RecipeData.Bleu(heldOut) }),
            CheckpointParts.Of(tokenizer), known is null);
    }

    private static (TrainingTask, CheckpointParts, bool) Preferences(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var lines = RecipeData.Lines(settings, json => new PreferencePair(
            RecipeData.Text(json, "prompt"), RecipeData.Text(json, "chosen"), RecipeData.Text(json, "rejected")));
        var (model, tokenizer, parts, _) = Gpt(settings, held, () => [], cancellationToken);
        var end = EndOf(parts);
        PreferencePairs train = PreferencePairs.From(tokenizer, lines.Train, end),
            heldOut = PreferencePairs.From(tokenizer, lines.HeldOut, end);
        if (settings.Recipe == "reward")
            return (held.Keep(new RewardModeling(RewardModel.Create(model, settings.Seed), train, heldOut)), parts, false);
        var method = settings.Method switch
        {
            "dpo" => PreferenceMethod.Dpo,
            "ipo" => PreferenceMethod.Ipo,
            "kto" => PreferenceMethod.Kto,
            "orpo" => PreferenceMethod.Orpo,
            "simpo" => PreferenceMethod.SimPo,
            "cpo" => PreferenceMethod.Cpo,
            _ => throw new UsageException($"--method '{settings.Method}': there are dpo, ipo, kto, orpo, simpo, cpo"),
        };
        return (held.Keep(new PreferenceOptimization(model, train, heldOut,
            new PreferenceOptimizationOptions { Method = method, Beta = (float)settings.Beta })), parts, false);
    }

    private static (TrainingTask, CheckpointParts, bool) Policy(
        RecipeSettings settings, Disposables held, CancellationToken cancellationToken)
    {
        var lines = RecipeData.Lines(settings, json => new RewardedPrompt(
            RecipeData.Text(json, "prompt"), RecipeData.OptionalText(json, "answer") ?? ""));
        var (model, tokenizer, parts, _) = Gpt(settings, held, () => [], cancellationToken);
        var end = EndOf(parts);
        var reference = held.Keep(ModelCheckpoint.Load(HubModels.Resolve(settings.Model)));
        var options = new PolicyOptimizationOptions
        {
            EndId = end,
            MaxCompletionTokens = Math.Max(1, Math.Min(settings.Context ?? 64, model.ContextLength / 2)),
        };
        if (settings.Recipe == "grpo")
            return (held.Keep(new GroupRelativePolicyOptimization(model, reference, tokenizer, lines.Train, lines.HeldOut,
                (prompt, completion) => VerifiableReward.FinalResult(completion, prompt.Reference), options)), parts, false);
        var (body, score) = ModelCheckpoint.LoadScored(settings.Teacher);
        var reward = held.Keep(new RewardModel(body, score));
        return (held.Keep(new ProximalPolicyOptimization(model, reference, tokenizer, lines.Train, lines.HeldOut,
            held.Keep(new RewardScorer(reward, tokenizer, end)).Score, options)), parts, false);
    }

    private static int? EndOf(CheckpointParts parts) => parts.GenerationSettings.EosTokenIds is [var first, ..] ? first : null;

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
                VocabularySize = settings.Vocabulary,
                SpecialTokens = [CheckpointParts.EndOfText],
            }, cancellationToken);
        var model = held.Keep(Gpt2.Create(
            DepthDial.Model(settings.Depth, tokenizer.VocabularySize, settings.Context), settings.Seed));
        return (model, tokenizer, CheckpointParts.Of(tokenizer), true);
    }

    // The model to go on from, with an adapter where one is asked for.
    private static CausalModel Known(RecipeSettings settings, Disposables held)
    {
        var model = held.Keep(ModelCheckpoint.Load(
            HubModels.Resolve(settings.Model), settings.Lora is null ? WeightPrecision.Single : WeightPrecision.AsStored));
        if (settings.Lora is { } rank)
            model.AddLora(new LoraOptions
            {
                Rank = rank,
                Alpha = 2 * rank,
                Dora = settings.Dora,
                RankStabilized = settings.Rslora,
                Seed = settings.Seed,
            });
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
            texts, new BpeTrainingOptions { VocabularySize = settings.Vocabulary, SpecialTokens = template.ControlTokens },
            cancellationToken);
        var parts = CheckpointParts.Of(tokenizer, template.Jinja);
        int endOfTurn = tokenizer.TokenToId(template.EndTokens[0])!.Value;
        return new CheckpointText(
            tokenizer,
            parts.TokenizerSettings with { ModelMaxLength = settings.Context ?? ChatContext },
            parts.GenerationSettings with { EosTokenIds = [endOfTurn, .. parts.GenerationSettings.EosTokenIds] });
    }

    private static (Bert Model, Tokenizer Tokenizer, CheckpointParts Parts, bool Fresh) Encoder(
        RecipeSettings settings, Disposables held, IEnumerable<string> texts, EncoderHead head, IReadOnlyList<string>? labels)
    {
        if (settings.Model.Length > 0)
        {
            var path = HubModels.Resolve(settings.Model);
            var known = ModelFiles.Tokenizer(settings.Model).WithTruncation(null);
            if (EncoderCheckpoint.Load(path) is not Bert body)
                throw new UsageException($"--model '{settings.Model}' is no encoder of BERT's family");
            var headed = held.Keep(body.WithHead(head, labels, settings.Seed));
            body.Dispose();
            return (headed, known, CheckpointParts.Of(known), false);
        }

        var tokenizer = Tokenizer.TrainWordPiece(
            texts, new WordPieceTrainingOptions { VocabularySize = settings.Vocabulary, SpecialTokens = EncoderTokens });
        int width = 32 * settings.Depth;
        var model = held.Keep(Bert.Create(
            BertConfig.Tiny with
            {
                VocabularySize = tokenizer.VocabularySize,
                Positions = settings.Context ?? 128,
                Width = width,
                Layers = settings.Depth,
                Heads = settings.Depth,
                FeedForwardWidth = 4 * width,
                Head = head,
                LabelNames = labels ?? ["LABEL_0", "LABEL_1"],
            },
            settings.Seed));
        return (model, tokenizer, CheckpointParts.Of(tokenizer), true);
    }

    private static TrainingOptions Options(RecipeSettings settings, TrainingTask task, CheckpointParts parts, bool fresh)
    {
        double rate = settings.LearningRate ?? (settings.Recipe switch
        {
            "grpo" or "ppo" or "preferences" => PolicyRate,
            _ when settings.Lora is not null => AdapterRate,
            "chat" when !fresh => PolicyRate,
            _ when fresh && task is CausalTask causal => DepthDial.LearningRate(causal.Model.Width),
            _ => fresh ? FreshRate : FineTuningRate,
        });
        int warmup = Math.Min(100, settings.Steps / 20), every = settings.EvaluateEvery ?? Math.Max(1, settings.Steps / 4);
        return new TrainingOptions
        {
            Steps = settings.Steps,
            BatchSize = settings.Batch,
            ContextLength = task switch
            {
                // So that a step has as many texts as --batch says, or more where they are short.
                LanguageModeling { Dataset: ChatDataset texts } => texts.LongestConversation,
                CausalTask { Model: var model } => Math.Min(settings.Context ?? int.MaxValue, model.ContextLength),
                _ => settings.Context,
            },
            LearningRate = rate,
            Schedule = settings.Schedule switch
            {
                "cosine" => null,
                "constant" => LearningRateSchedule.Constant(rate),
                "wsd" => LearningRateSchedule.WarmupStableDecay(rate, 0, warmup, settings.Steps * 4L / 5, settings.Steps),
                "inverse-sqrt" => LearningRateSchedule.InverseSquareRoot(rate, Math.Max(1, warmup)),
                _ => throw new UsageException($"--schedule '{settings.Schedule}': there are cosine, wsd, constant, inverse-sqrt"),
            },
            Optimizer = settings.Optimizer switch
            {
                "adamw" => new AdamWOptions { WeightDecay = settings.Lora is null ? 0.1 : 0 },
                "muon" => new MuonOptions { WeightDecay = 0.1 },
                "lion" => new LionOptions { WeightDecay = 0.1 },
                "sgd" => new SgdOptions(),
                _ => throw new UsageException($"--optimizer '{settings.Optimizer}': there are adamw, muon, lion, sgd"),
            },
            Scope = settings.LastLayers is null && settings.LayerDecay == 1
                ? null
                : new TrainingScope { LastLayers = settings.LastLayers, LayerDecay = settings.LayerDecay },
            AverageDecay = settings.AverageDecay,
            RecomputeActivations = settings.Recompute,
            Seed = settings.Seed,
            Device = ComputeDevice.Current,
            EvaluateEvery = every,
            Sample = SampleOf(settings, task, parts),
            Checkpoints = new TrainingCheckpoints(settings.Out)
            {
                Every = every,
                SaveWhenCancelled = true,
                Parts = parts,
            },
        };
    }

    private static TrainingSample? SampleOf(RecipeSettings settings, TrainingTask task, CheckpointParts parts)
    {
        if (task is not CausalTask || parts.TokenizerJson is not { } json
            || (settings.SamplePrompt ?? RecipeData.Beginning(settings)) is not { Length: > 0 } prompt)
            return null;
        var tokenizer = Tokenizer.Parse(System.Text.Encoding.UTF8.GetBytes(json));
        if (settings.Recipe == "chat" && parts.TokenizerSettings.ChatTemplate is { } jinja)
        {
            var template = ChatEncoding.ReadTemplate(jinja, parts.TokenizerSettings, tokenizer);
            var rendered = ChatEncoding.Render(template, new ChatTemplateInput
            {
                Turns = [new ChatTurn(ChatTurn.User, prompt)],
                AddGenerationPrompt = true,
            });
            return new TrainingSample(tokenizer, prompt + "\n")
            {
                PromptIds = rendered.Encode(tokenizer),
                EndId = template.EndTokens.Select(token => tokenizer.TokenToId(token)).FirstOrDefault(id => id is not null) ?? EndOf(parts),
            };
        }

        return new TrainingSample(tokenizer, prompt) { EndId = EndOf(parts) };
    }

    private sealed class Disposables : IDisposable
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
}
