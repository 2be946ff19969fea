using System.Text;
using System.Threading.Channels;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>A step on the way to an answer: <see cref="PassagesFound"/>, <see cref="SentenceVerified"/>,
/// <see cref="SentencesWithdrawn"/>, and at the end <see cref="AnswerCompleted"/>.</summary>
public abstract record AnswerUpdate
{
    private protected AnswerUpdate()
    {
    }
}

/// <summary>The search is done.</summary>
/// <param name="Hits">The passages that are looked through for the answer, best first.</param>
public sealed record PassagesFound(IReadOnlyList<SearchHit> Hits) : AnswerUpdate;

/// <summary>A sentence of the answer: quoted, or written by the chat model and found supported.</summary>
/// <param name="Text">The sentence with its markers, such as <c>[1]</c>.</param>
/// <param name="Citations">The quotations that it rests on, verified literally.</param>
public sealed record SentenceVerified(string Text, IReadOnlyList<Citation> Citations) : AnswerUpdate;

/// <summary>
/// All sentences so far are taken back, since the model in the end said that the passages hold no answer, a document has changed
/// meanwhile, or they turned out to be reasoning. What stands instead follows.
/// </summary>
public sealed record SentencesWithdrawn : AnswerUpdate;

/// <summary>The answer is complete; the last update.</summary>
/// <param name="Answer">The answer, the same as <see cref="KnowledgeBase.AskAsync"/> gives.</param>
public sealed record AnswerCompleted(Answer Answer) : AnswerUpdate;

/// <summary>
/// Watches an answer come about and tells of each sentence as soon as it is final. It decides nothing: <see cref="Settle"/> is given what
/// stands in the answer, and takes back what was told too early.
/// </summary>
internal sealed class AnswerStream(ChannelWriter<AnswerUpdate> updates)
{
    private readonly List<SentenceVerified> _told = [];

    internal void Found(IReadOnlyList<SearchHit> hits) => updates.TryWrite(new PassagesFound(hits));

    /// <summary>Lets the model write, and tells of its sentences while it does.</summary>
    /// <param name="chat">The model.</param>
    /// <param name="prompt">What to ask.</param>
    /// <param name="options">The style and the limits.</param>
    /// <param name="verify">The sentences of a draft that hold.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>What the model wrote.</returns>
    internal async Task<ModelDraft> WriteAsync(
        IChatClient chat, ModelPrompt prompt, AskOptions options, Func<ModelDraft, Task<IReadOnlyList<SentenceVerified>>> verify,
        CancellationToken cancellationToken)
    {
        var parts = new List<ChatResponseUpdate>();
        var text = new StringBuilder();
        var before = "";
        int checkedLength = 0;
        bool isAnswer = false;
        await foreach (var part in chat.GetStreamingResponseAsync(
            ModelWriter.Messages(prompt), ModelWriter.Options(options), cancellationToken).ConfigureAwait(false))
        {
            parts.Add(part);
            text.Append(part.Text);
            var soFar = ModelWriter.WithoutReasoning(text.ToString());
            if (!soFar.StartsWith(before, StringComparison.Ordinal))
            {
                // What came before was reasoning that the prompt had opened.
                Settle([]);
                checkedLength = 0;
            }

            before = soFar;
            int final = ModelWriter.FinalLength(soFar);

            // What cites nothing may turn out to be such reasoning, unless its end has been seen.
            isAnswer |= soFar.Length < text.Length || part.Contents.Any(content => content is TextReasoningContent)
                || ModelWriter.Cites(soFar[..final]);
            if (final <= checkedLength || !isAnswer)
                continue;
            checkedLength = final;
            Tell(await verify(ModelWriter.Draft(soFar[..final], prompt, options)).ConfigureAwait(false));
        }

        return ModelWriter.Draft(ModelWriter.WithoutReasoning(parts.ToChatResponse().Text), prompt, options);
    }

    /// <summary>What the answer consists of, so far as it is decided: tells the rest of it.</summary>
    /// <param name="sentences">The sentences; none where the answer comes from elsewhere.</param>
    internal void Settle(IReadOnlyList<SentenceVerified> sentences)
    {
        if (sentences.Count < _told.Count
            || !_told.Select(told => told.Text).SequenceEqual(sentences.Take(_told.Count).Select(it => it.Text)))
        {
            updates.TryWrite(new SentencesWithdrawn());
            _told.Clear();
        }

        Tell(sentences);
    }

    private void Tell(IReadOnlyList<SentenceVerified> sentences)
    {
        // A sentence that does not follow on what was told is left to the end.
        for (int i = 0; i < sentences.Count; i++)
        {
            if (i < _told.Count && _told[i].Text != sentences[i].Text)
                return;
            if (i < _told.Count)
                continue;
            _told.Add(sentences[i]);
            updates.TryWrite(sentences[i]);
        }
    }
}

/// <content>What is needed while the model writes.</content>
internal static partial class ModelWriter
{
    // Scripts from here on are written without spaces.
    private const char FirstCjk = '\u2e80';

    /// <summary>
    /// How much of a text that is being written is final: its sentences but the last, whose end and markers may be still to come.
    /// </summary>
    internal static int FinalLength(string text)
    {
        var spans = SentenceSplitter.Split(text);
        for (int i = spans.Count - 1; i > 0; i--)
        {
            // A sentence is over once the next one has begun: with a word, since a marker belongs to the sentence before.
            var sentence = text[spans[i].Start..spans[i].End];
            int marks = LeadingMarks().Match(sentence).Length;
            var words = sentence.AsSpan(marks).TrimStart();
            if (words.Length > 0 && words[0] is not ('[' or '【') && (words.IndexOfAny(' ', '\n') > 0 || words[0] > FirstCjk))
                return spans[i].Start + marks;
        }

        return 0;
    }
}
