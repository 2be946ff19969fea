using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

public sealed partial class KnowledgeBase
{
    /// <summary>
    /// Answers a question as <see cref="AskAsync"/> does, and tells of each sentence as soon as it is earned: what a chat model writes is
    /// checked sentence by sentence while it writes, and only what the passages support comes through, with its citations.
    /// </summary>
    /// <param name="question">The question, in any language.</param>
    /// <param name="chat">Writes the answer from the passages, or null: then sentences are quoted.</param>
    /// <param name="options">How to answer, or null for the defaults.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>
    /// <see cref="PassagesFound"/>, where the search found any; a <see cref="SentenceVerified"/> for each sentence of the answer, and
    /// seldom a <see cref="SentencesWithdrawn"/> among them; at the end <see cref="AnswerCompleted"/>.
    /// </returns>
    /// <remarks>
    /// To leave the loop ends the work, the chat model's too. The audit log then has the documents that had been shown.
    /// </remarks>
    /// <exception cref="KotonohaException">The question is too long, the store cannot do its work, or the collection was made by another
    /// embedder or analyzer.</exception>
    public async IAsyncEnumerable<AnswerUpdate> AskStreamingAsync(
        string question, IChatClient? chat = null, AskOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var updates = Channel.CreateUnbounded<AnswerUpdate>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        var shown = new List<string>();
        bool isWrittenDown = false;
        var work = WorkAsync(stop.Token);
        try
        {
            await foreach (var update in updates.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                shown.AddRange(SourcesOf(update));
                yield return update;
            }
        }
        finally
        {
            // Nothing goes on behind the caller's back; what failed was thrown by the reader already.
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
            if (shown.Count > 0 && !isWrittenDown)
                AuditAsked(question, "left", shown);
        }

        async Task WorkAsync(CancellationToken token)
        {
            try
            {
                var stream = new AnswerStream(updates.Writer);
                var answer = await AnswerAsync(question, chat, options, stream, null, token).ConfigureAwait(false);
                isWrittenDown = true;
                if (!answer.Found)
                    stream.Settle([]);
                else if (answer.AnsweredBy == AnsweredBy.Extraction)
                    stream.Settle([.. answer.Citations.Select(citation =>
                        new SentenceVerified(AnswerComposer.Line(citation), [citation]))]);
                updates.Writer.TryWrite(new AnswerCompleted(answer));
                updates.Writer.Complete();
            }
            catch (Exception exception)
            {
                updates.Writer.Complete(exception);
            }
        }
    }

    private static IEnumerable<string> SourcesOf(AnswerUpdate update) => update switch
    {
        PassagesFound found => found.Hits.Select(hit => hit.Chunk.Source),
        SentenceVerified sentence => sentence.Citations.Select(citation => citation.Source),
        _ => [],
    };

    /// <summary>Answers a question, completed from the conversation before it where there is one.</summary>
    private async Task<Answer> AnswerAsync(
        string question, IChatClient? chat, AskOptions? options, AnswerStream? stream, Action<AnswerTrace>? traced,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(question);
        options ??= new AskOptions();
        options.Validate();
        if (options.History is not { Count: > 0 } history || question.Length > MaxQuestionLength)
            return Audited(await AnswerAloneAsync(question, chat, options, stream, traced, cancellationToken).ConfigureAwait(false));

        // A small model that is to rewrite a question answers it.
        var writer = options.Writing == WritingStyle.ShortText ? null : chat;
        var completed = await FollowUp.CompleteAsync(
            question, [.. history.Where(turn => turn.Text.Length <= MaxQuestionLength)], writer, cancellationToken).ConfigureAwait(false);
        if (completed.Length > MaxQuestionLength)
            completed = question;
        var answer = await AnswerAloneAsync(completed, chat, options, stream, traced, cancellationToken).ConfigureAwait(false);
        return Audited(answer with { Question = question, CompletedQuestion = completed == question ? null : completed });
    }
}
