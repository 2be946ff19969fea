using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training;

/// <summary>What happens to a conversation that is longer than the context.</summary>
public enum LongConversations
{
    /// <summary>It is left out.</summary>
    Skip,

    /// <summary>What goes beyond the context is cut off; if no answer begins before that, the conversation is left out.</summary>
    Cut,
}

/// <summary>How conversations become a dataset.</summary>
public sealed record ChatDatasetOptions
{
    /// <summary>The tokens of the longest conversation; at most the context length of the model that will be trained.</summary>
    public required int ContextLength { get; init; }

    /// <summary>What happens to a conversation that is longer.</summary>
    public LongConversations TooLong { get; init; }

    /// <summary>The part of the conversations that is held out, from 0 (none) to below 1.</summary>
    public double ValidationFraction { get; init; } = TokenDataset.DefaultValidationFraction;
}

/// <summary>
/// Conversations to train on with the loss on the assistant's answers alone. They are rendered and encoded by the code that generation
/// uses, functions and calls included, so training and asking look the same to the token.
/// </summary>
/// <remarks>
/// A micro-batch holds as many whole conversations as fit into <see cref="TrainingOptions.BatchSize"/> ×
/// <see cref="TrainingOptions.ContextLength"/> tokens. Each is a sequence of its own: it attends to itself alone, its positions count from
/// 0, and there is no padding. Every conversation is learned once an epoch, in an order that depends on the seed. What is held out depends
/// on the conversations alone, and equal ones stay on one side.
/// </remarks>
public sealed class ChatDataset : TrainingDataset
{
    private readonly ChatExample[] _train;
    private readonly ChatExample[] _validation;

    private ChatDataset(List<ChatExample> examples, int vocabularySize, double validationFraction)
        : this(vocabularySize, Split(examples, validationFraction))
    {
    }

    private ChatDataset(int vocabularySize, (ChatExample[] Train, ChatExample[] Validation) examples)
    {
        VocabularySize = vocabularySize;
        (_train, _validation) = examples;
        Fingerprint = TokenHash.Start;
        foreach (var example in _train)
        {
            Fingerprint = TokenHash.Add(TokenHash.Add(Fingerprint, (int)example.Hash), (int)(example.Hash >> 32));
            TrainTokens += example.Ids.Length;
        }
    }

    private static (ChatExample[] Train, ChatExample[] Validation) Split(List<ChatExample> examples, double validationFraction)
    {
        // Equal conversations are one group; a group that is larger than what is still to be held out is trained on.
        int wanted = examples.Count - (int)(examples.Count * (1 - validationFraction));
        var held = new HashSet<ulong>();
        foreach (var group in examples.GroupBy(e => e.Hash).OrderBy(g => g.Key))
            if (group.Count() is var count && count <= wanted)
            {
                wanted -= count;
                held.Add(group.Key);
            }

        ChatExample[] train = [.. examples.Where(e => !held.Contains(e.Hash))];
        return train.Length > 0
            ? (train, [.. examples.Where(e => held.Contains(e.Hash))])
            : throw new TrainingException($"Nothing is left to train on: all {examples.Count} conversations are held out. Give more "
                + "conversations, or a smaller ValidationFraction.");
    }

    /// <inheritdoc/>
    public override int VocabularySize { get; }

    /// <summary>The conversations that are trained on. One whose earlier turns look different later (templates that leave out old
    /// reasoning) counts once for each such answer.</summary>
    public int TrainConversations => _train.Length;

    /// <summary>The conversations that are held out.</summary>
    public int ValidationConversations => _validation.Length;

    /// <summary>The tokens of the longest conversation, held-out ones included.</summary>
    public int LongestConversation => _train.Concat(_validation).Max(e => e.Ids.Length);

    /// <summary>The tokens of the conversations that are trained on.</summary>
    public long Tokens => TrainTokens;

    /// <summary>Those of them on which a loss is taken.</summary>
    public long AnswerTokens => _train.Sum(e => (long)e.Mask.Count(m => m));

    /// <summary>The conversations that were left out because they were too long.</summary>
    public int Skipped { get; private init; }

    /// <summary>The conversations that were cut.</summary>
    public int Cut { get; private init; }

    /// <summary>The conversations that were left out because they have no answer to learn.</summary>
    public int WithoutAnswer { get; private init; }

    internal override ulong Fingerprint { get; }

    internal override long TrainTokens { get; }

    /// <summary>Renders and encodes conversations for a model that exists, with the templates that it will be asked with.</summary>
    /// <param name="model">The model's tokenizer and templates.</param>
    /// <param name="conversations">The conversations; <see cref="Conversation.ReadFile"/> reads them.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ChatTemplateException">The template cannot be read, or refuses a conversation.</exception>
    /// <exception cref="TrainingException">The model has no tokenizer or no template, no conversation is left, or the template writes an
    /// answer otherwise than it asks for it.</exception>
    public static ChatDataset From(CheckpointText model, IEnumerable<Conversation> conversations, ChatDatasetOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        var tokenizer = model.Tokenizer
            ?? throw new TrainingException($"The model has no tokenizer, so conversations cannot be encoded. {model.TokenizerProblem}");
        if (model.Settings.ChatTemplate is not { } jinja)
            throw new TrainingException("The model has no chat template, so conversations cannot be rendered for it. Put its "
                + "chat_template.jinja beside the weights, or give a template.");
        var template = ChatEncoding.ReadTemplate(jinja, model.Settings, tokenizer);
        var withTools = model.Settings.FurtherChatTemplates?.GetValueOrDefault(LocalGpt.ToolTemplateName) is { } forTools
            ? ChatEncoding.ReadTemplate(forTools, model.Settings, tokenizer)
            : template;
        return From(tokenizer, conversation => conversation.Tools is null ? template : withTools, conversations, options);
    }

    /// <summary>Renders and encodes conversations.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The model's chat template.</param>
    /// <param name="conversations">The conversations; <see cref="Conversation.ReadFile"/> reads them.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ChatTemplateException">The template refuses a conversation.</exception>
    /// <exception cref="TrainingException">No conversation is left, or the template writes an answer otherwise than it asks for
    /// it.</exception>
    public static ChatDataset From(
        Tokenizer tokenizer, ChatTemplate template, IEnumerable<Conversation> conversations, ChatDatasetOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(template);
        return From(tokenizer, _ => template, conversations, options);
    }

    /// <summary>Prompts with completions, for models without a chat template; the loss is taken on the completions alone.</summary>
    /// <param name="tokenizer">The model's tokenizer; special tokens that texts spell out are recognised.</param>
    /// <param name="texts">The prompts, as the model will read them, and what it shall write.</param>
    /// <param name="endId">The token that ends a completion; null for none.</param>
    /// <param name="options">How.</param>
    /// <exception cref="TrainingException">Nothing is left to learn.</exception>
    public static ChatDataset FromCompletions(
        Tokenizer tokenizer, IEnumerable<(string Prompt, string Completion)> texts, int? endId, ChatDatasetOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ContextLength, 2);
        var examples = new List<ChatExample>();
        int skipped = 0, cut = 0;
        foreach (var (prompt, completion) in texts)
        {
            var tokens = CompletionTokens.Of(tokenizer, prompt, completion, endId);
            var mask = new bool[tokens.Ids.Length];
            mask.AsSpan(Math.Max(1, tokens.PromptTokens)).Fill(true);
            var example = new ChatExample(tokens.Ids, mask);
            if (example.Ids.Length > options.ContextLength)
            {
                bool keep = options.TooLong == LongConversations.Cut && tokens.PromptTokens < options.ContextLength;
                (skipped, cut) = keep ? (skipped, cut + 1) : (skipped + 1, cut);
                if (!keep)
                    continue;
                example = example.CutTo(options.ContextLength);
            }

            examples.Add(example);
        }

        return examples.Count == 0
            ? throw new TrainingException($"There is nothing to learn: {skipped} texts are longer than {options.ContextLength} tokens. "
                + $"Give "
                + "others, or a longer context.")
            : new ChatDataset(examples, tokenizer.VocabularySize, options.ValidationFraction) { Skipped = skipped, Cut = cut };
    }

    /// <summary>This dataset, all of it to be trained on, with what another one has to be measured on.</summary>
    /// <param name="heldOut">The other one, made with the same tokenizer.</param>
    /// <exception cref="ArgumentException">It has another vocabulary.</exception>
    public ChatDataset WithValidation(ChatDataset heldOut)
    {
        ArgumentNullException.ThrowIfNull(heldOut);
        return heldOut.VocabularySize == VocabularySize
            ? new ChatDataset(VocabularySize, ([.. _train, .. _validation], [.. heldOut._train, .. heldOut._validation]))
            {
                Skipped = Skipped + heldOut.Skipped,
                Cut = Cut + heldOut.Cut,
                WithoutAnswer = WithoutAnswer + heldOut.WithoutAnswer,
            }
            : throw new ArgumentException(
                $"What is held out has a vocabulary of {heldOut.VocabularySize} tokens, and this {VocabularySize}.", nameof(heldOut));
    }

    private static ChatDataset From(
        Tokenizer tokenizer, Func<Conversation, ChatTemplate> templateOf, IEnumerable<Conversation> conversations,
        ChatDatasetOptions options)
    {
        ArgumentNullException.ThrowIfNull(conversations);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ContextLength, 2);
        ArgumentOutOfRangeException.ThrowIfNegative(options.ValidationFraction);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(options.ValidationFraction, 1.0);
        var examples = new List<ChatExample>();
        int read = 0, skipped = 0, cut = 0, without = 0;
        foreach (var conversation in conversations)
        {
            read++;
            bool any = false;
            foreach (var rendered in ChatExample.Render(templateOf(conversation), conversation))
            {
                var example = rendered.Encode(tokenizer);
                any |= example.Ids.Length > 0;
                if (example.Ids.Length == 0)
                    continue;
                if (example.Ids.Length > options.ContextLength)
                {
                    example = options.TooLong == LongConversations.Cut ? example.CutTo(options.ContextLength) : ChatExample.Empty;
                    if (example.Ids.Length == 0)
                    {
                        skipped++;
                        continue;
                    }

                    cut++;
                }

                examples.Add(example);
            }

            without += any ? 0 : 1;
        }

        if (examples.Count == 0)
            throw new TrainingException($"Of {read} conversations none can be learned: {skipped} are longer than {options.ContextLength} "
                + $"tokens, {without} have no answer. Give others, or a longer context.");
        return new ChatDataset(examples, tokenizer.VocabularySize, options.ValidationFraction)
        {
            Skipped = skipped,
            Cut = cut,
            WithoutAnswer = without,
        };
    }

    internal override BatchSampler Sampler(TrainingOptions options, int contextLength)
    {
        int longest = LongestConversation;
        return longest - 1 <= contextLength
            ? new ConversationSampler(_train, options.BatchSize * contextLength, options.MicroBatches, options.Seed)
            : throw new TrainingException($"A conversation has {longest} tokens, and the context is {contextLength}. Make the dataset with "
                + "that ContextLength.");
    }

    internal override double? MeasureValidationLoss(
        CausalModel model, InferenceSession session, int contextLength, CancellationToken cancellationToken)
        => _validation.Length > 0 ? ValidationLoss.Measure(model, _validation, session, cancellationToken) : null;
}

/// <summary>A rendered conversation and the places of the answers that are learned.</summary>
internal readonly record struct RenderedExample(ChatPrompt Prompt, IReadOnlyList<(int Start, int End)> Answers)
{
    /// <summary>The tokens up to the last learned one; none where nothing is learned.</summary>
    public ChatExample Encode(Tokenizer tokenizer)
    {
        var (ids, mask) = Prompt.EncodeWithMask(tokenizer, Answers);

        // The first token is predicted from nothing.
        if (mask.Length > 0)
            mask[0] = false;
        return new ChatExample(ids, mask).CutTo(ids.Length);
    }
}

/// <summary>The tokens of a conversation, and which of them are learned.</summary>
internal sealed class ChatExample
{
    public ChatExample(int[] ids, bool[] mask)
    {
        (Ids, Mask) = (ids, mask);
        ulong hash = TokenHash.Start;
        for (int i = 0; i < ids.Length; i++)
            hash = TokenHash.Add(hash, ids[i] * 2 + (mask[i] ? 1 : 0));
        Hash = hash;
    }

    public static ChatExample Empty { get; } = new([], []);

    public int[] Ids { get; }

    public bool[] Mask { get; }

    public ulong Hash { get; }

    /// <summary>Renders a conversation. Where an answer's past looks different from what stands before it in the whole, as with templates
    /// that leave out old reasoning, the answer becomes an example of its own, as it will be asked.</summary>
    public static IEnumerable<RenderedExample> Render(ChatTemplate template, Conversation conversation)
    {
        int[] assistant = [.. Enumerable.Range(0, conversation.Turns.Count).Where(i => conversation.Turns[i].Role == ChatTurn.Assistant)];
        if (assistant.All(conversation.NotLearned.Contains))
            return [];
        var whole = Apply(template, conversation, conversation.Turns.Count, addGenerationPrompt: false);
        return whole.Answers.Count == assistant.Length
            ? [new RenderedExample(whole, [.. whole.Answers.Where((_, i) => !conversation.NotLearned.Contains(assistant[i]))
                .Select(answer => WithEnd(template, whole.Text, answer))])]
            : ByPrefixes(template, conversation, whole, assistant.Where(i => !conversation.NotLearned.Contains(i)));
    }

    /// <summary>The first tokens, without what follows the last learned one.</summary>
    public ChatExample CutTo(int length)
    {
        int end = Array.LastIndexOf(Mask, true, length - 1, length) + 1;
        return end == Ids.Length ? this : new ChatExample(Ids[..end], Mask[..end]);
    }

    /// <summary>Appends the inputs to a batch, and to the targets what is predicted from each.</summary>
    public void AppendTo(Batch batch, Span<int> targets)
    {
        for (int i = 1; i < Ids.Length; i++)
            targets[batch.Tokens + i - 1] = Mask[i] ? Ids[i] : CrossEntropyOptions.DefaultIgnoreIndex;
        batch.Append(Ids.AsSpan(0, Ids.Length - 1));
    }

    // A model must learn to end, also where the template writes the end token behind the generation block.
    private static (int, int) WithEnd(ChatTemplate template, string text, (int Start, int End) answer)
        => template.EndTokens.FirstOrDefault(token => string.CompareOrdinal(text, answer.End, token, 0, token.Length) == 0) is { } end
            ? (answer.Start, answer.End + end.Length)
            : answer;

    private static List<RenderedExample> ByPrefixes(
        ChatTemplate template, Conversation conversation, ChatPrompt whole, IEnumerable<int> answers)
    {
        var ofWhole = new List<(int, int)>();
        var examples = new List<RenderedExample>();
        foreach (int answer in answers)
        {
            var asked = Apply(template, conversation, answer, addGenerationPrompt: true).Text;
            var given = Apply(template, conversation, answer + 1, addGenerationPrompt: false);
            if (!given.Text.StartsWith(asked, StringComparison.Ordinal))
                throw new TrainingException($"The chat template writes turn {answer + 1} of a conversation otherwise than it asks for it, "
                    + "so what is learned would not be what is asked. Give a template with generation blocks, or one that agrees.");

            // What follows the end token is written by the template, not by the model.
            int end = given.Text.Length;
            var trimmed = given.Text.TrimEnd();
            if (trimmed.Length > asked.Length && template.EndTokens.Any(token => trimmed.EndsWith(token, StringComparison.Ordinal)))
                end = trimmed.Length;
            if (end == asked.Length)
                continue;
            if (string.CompareOrdinal(whole.Text, 0, given.Text, 0, end) == 0)
                ofWhole.Add((asked.Length, end));
            else
                examples.Add(new RenderedExample(given, [(asked.Length, end)]));
        }

        if (ofWhole.Count > 0)
            examples.Add(new RenderedExample(whole, ofWhole));
        return examples;
    }

    private static ChatPrompt Apply(ChatTemplate template, Conversation conversation, int turns, bool addGenerationPrompt)
        => ChatEncoding.Render(template, new ChatTemplateInput
        {
            Turns = [.. conversation.Turns.Take(turns)],
            Tools = conversation.Tools,
            AddGenerationPrompt = addGenerationPrompt,
        });
}

/// <summary>
/// Fills micro-batches with whole conversations, each a sequence of its own, epoch after epoch in an order made from the seed. A
/// micro-batch takes conversations as long as they fit.
/// </summary>
internal sealed class ConversationSampler : BatchSampler
{
    // Sets the draws apart from others that are made from the same seed (dropout, windows of text).
    private const ulong Purpose = 0x434F4E5645525345;
    private readonly ChatExample[] _examples;
    private readonly int _budget;
    private readonly int _microBatches;
    private readonly int[] _targets;
    private readonly ExampleOrder _order;
    private Place _next;
    private Place _stepStart;

    public ConversationSampler(ChatExample[] examples, int budget, int microBatches, ulong seed)
    {
        (_examples, _budget, _microBatches) = (examples, budget, microBatches);
        _targets = new int[budget];
        _order = new ExampleOrder(examples.Length, seed, Purpose);
        Batch = new Batch(budget);
    }

    public override Batch Batch { get; }

    public override ReadOnlySpan<int> Targets => _targets.AsSpan(0, Batch.Tokens);

    public override void Draw(long step, int microBatch)
    {
        // How many conversations earlier micro-batches took depends on their lengths, so the way from the last known place is walked.
        long wanted = step * _microBatches + microBatch;
        if (wanted < _next.MicroBatch)
            _next = wanted >= _stepStart.MicroBatch ? _stepStart : default;
        while (_next.MicroBatch < wanted)
            Take(fill: false);
        if (microBatch == 0)
            _stepStart = _next;
        Take(fill: true);
    }

    private void Take(bool fill)
    {
        if (fill)
            Batch.Clear();
        int tokens = 0;
        var (microBatch, draw) = _next;
        while (true)
        {
            var example = _examples[_order[draw]];
            if (tokens + example.Ids.Length - 1 > _budget)
                break;
            if (fill)
                example.AppendTo(Batch, _targets);
            tokens += example.Ids.Length - 1;
            draw++;
        }

        _next = new Place(microBatch + 1, draw);
    }

    /// <summary>Where a micro-batch begins.</summary>
    private readonly record struct Place(long MicroBatch, long Draw);
}
