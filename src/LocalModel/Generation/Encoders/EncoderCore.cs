using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Runs texts through an encoder, as many at once as fill a batch. Batches have no padding, so texts need not be of similar length and come
/// in the order of their arrival.
/// </summary>
internal sealed class EncoderCore : IEngineCore<EncoderJob>, IDisposable
{
    /// <summary>
    /// The tokens that a batch has at least room for: enough for full speed of the products, few enough to stay in the caches.
    /// </summary>
    public const int BatchTokens = 512;

    private readonly EncoderModel _model;
    private readonly InferenceSession _session;
    private readonly Batch _batch = new(BatchTokens);
    private readonly List<EncoderJob> _active = [];
    private int _activeTokens;

    public EncoderCore(EncoderModel model, InferenceSession session)
    {
        _model = model;
        _session = session;
    }

    /// <inheritdoc/>
    public int ActiveJobs => _active.Count;

    /// <inheritdoc/>
    public bool CanAdmit(EncoderJob job) => _active.Count == 0 || _activeTokens + job.Input.Ids.Length <= BatchTokens;

    /// <inheritdoc/>
    public void Admit(EncoderJob job)
    {
        _activeTokens += job.Input.Ids.Length;
        _active.Add(job);
    }

    /// <inheritdoc/>
    public void Step()
    {
        for (int i = _active.Count - 1; i >= 0; i--)
            if (_active[i].Cancellation.IsCancellationRequested)
                End(i, new OperationCanceledException(_active[i].Cancellation));
        if (_active.Count == 0)
            return;
        try
        {
            Run();
        }
        catch (OperationCanceledException)
        {
            // One job was cancelled between two layers; the others run the same step again.
            return;
        }
        catch (Exception exception)
        {
            FailAll(_ => _session.Explain(exception) ?? exception);
            return;
        }

        _active.Clear();
        _activeTokens = 0;
    }

    /// <inheritdoc/>
    public void FailAll(Func<EncoderJob, Exception> reason)
    {
        for (int i = _active.Count - 1; i >= 0; i--)
            End(i, reason(_active[i]));
    }

    public void Dispose() => FailAll(_ => new ObjectDisposedException(nameof(LocalEncoder)));

    private void Run()
    {
        _batch.Clear();
        bool wantsLogits = false, wantsStates = false;
        foreach (var job in _active)
        {
            _batch.Append(job.Input.Ids, job.Input.TypeIds);
            wantsLogits |= job.WantsLogits;
            wantsStates |= !job.WantsLogits;
        }

        var tokens = _active.Select(j => j.Cancellation).Distinct().ToArray();
        using var linked = tokens.Length > 1 ? CancellationTokenSource.CreateLinkedTokenSource(tokens) : null;
        var pass = _session.Begin(linked?.Token ?? tokens[0]);
        var hidden = _model.Forward(pass, _batch);
        var states = wantsStates ? pass.Read(hidden) : default;
        var logits = wantsLogits ? pass.Read(_model.Logits(pass, hidden, _batch)) : default;
        for (int i = 0; i < _active.Count; i++)
        {
            int first = _batch.SequenceStarts[i], end = _batch.SequenceStarts[i + 1];
            var job = _active[i];
            try
            {
                job.Accept(
                    wantsStates ? states[(first * _model.Width)..(end * _model.Width)] : default,
                    !wantsLogits ? default
                        : _model.Head == EncoderHead.TokenClassification ? logits[(first * _model.Labels)..(end * _model.Labels)]
                        : logits.Slice(i * _model.Labels, _model.Labels));
            }
            catch (Exception exception)
            {
                // A failure of one text is no reason to end the others.
                job.Fail(exception);
            }
        }
    }

    private void End(int index, Exception failure)
    {
        var job = _active[index];
        _active.RemoveAt(index);
        _activeTokens -= job.Input.Ids.Length;
        job.Fail(failure);
    }
}

/// <summary>One text, or pair of texts, that an encoder reads: it ends as a vector, or as what the model's head says of it.</summary>
/// <param name="input">The tokens.</param>
/// <param name="embedding">How the tokens become a vector; null for the logits of the head.</param>
/// <param name="cancellation">Ends the job early.</param>
internal sealed class EncoderJob(EncoderInput input, SentenceEmbedding? embedding, CancellationToken cancellation) : IEngineJob
{
    private readonly TaskCompletionSource<float[]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The vector or the logits.</summary>
    public Task<float[]> Result => _completion.Task;

    /// <summary>The tokens.</summary>
    public EncoderInput Input => input;

    /// <summary>Whether the model's head is asked, not the hidden states.</summary>
    public bool WantsLogits => embedding is null;

    /// <inheritdoc/>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Takes the outcome.</summary>
    /// <param name="hidden">The hidden states of the text's tokens, row after row.</param>
    /// <param name="logits">The head's row of the text, or of each of its tokens.</param>
    public void Accept(ReadOnlySpan<float> hidden, ReadOnlySpan<float> logits)
    {
        float[] result = embedding is null ? logits.ToArray() : embedding.Pool(hidden, input.Ids.Length, input.PromptTokens);
        foreach (float x in result)
            if (!float.IsFinite(x))
                throw new InvalidOperationException(
                    "The model gave a number that is not finite; its weights are damaged. Load another checkpoint.");
        _completion.TrySetResult(result);
    }

    /// <inheritdoc/>
    public void Fail(Exception exception)
    {
        if (exception is OperationCanceledException)
            _completion.TrySetCanceled(Cancellation);
        else
            _completion.TrySetException(exception);
    }
}

/// <summary>A text, or a pair, as an encoder reads it.</summary>
/// <param name="Ids">The token ids, special tokens included.</param>
/// <param name="TypeIds">The type of each token.</param>
/// <param name="PromptTokens">The leading tokens that pooling leaves out.</param>
/// <param name="Truncated">Whether the text was longer than what is read.</param>
internal sealed record EncoderInput(int[] Ids, int[] TypeIds, int PromptTokens, bool Truncated);
