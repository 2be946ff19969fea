using System.Globalization;
using System.Net.Http.Json;

namespace Kotonoha.Client;

/// <content>Training, for administrators' keys.</content>
public sealed partial class KotonohaClient
{
    /// <summary>Lists the recipes.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="KotonohaServerException">The server refused.</exception>
    public Task<IReadOnlyList<TrainingRecipeInfo>> ListTrainingRecipesAsync(CancellationToken cancellationToken = default)
        => TrainAsync<IReadOnlyList<TrainingRecipeInfo>>(HttpMethod.Get, "recipes", null, cancellationToken);

    /// <summary>Lists the files of training data.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<IReadOnlyList<TrainingDataInfo>> ListTrainingDataAsync(CancellationToken cancellationToken = default)
        => TrainAsync<IReadOnlyList<TrainingDataInfo>>(HttpMethod.Get, "data", null, cancellationToken);

    /// <summary>Sends a file of training data; one of the same name is replaced.</summary>
    /// <param name="name">A plain file name.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<TrainingDataInfo> UploadTrainingDataAsync(string name, Stream content, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingDataInfo>(HttpMethod.Put, $"data/{Escape(name)}", new StreamContent(content), cancellationToken);

    /// <summary>Deletes a file of training data.</summary>
    /// <param name="name">The file.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task DeleteTrainingDataAsync(string name, CancellationToken cancellationToken = default)
        => TrainAsync<object?>(HttpMethod.Delete, $"data/{Escape(name)}", null, cancellationToken);

    /// <summary>Measures what a run would cost; nothing is trained.</summary>
    /// <param name="settings">What it would learn.</param>
    /// <param name="cancellationToken">Ends the call, and the work with it.</param>
    public Task<TrainingCostInfo> MeasureTrainingCostAsync(TrainingSettings settings, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingCostInfo>(HttpMethod.Post, "cost", JsonContent.Create(settings, options: Format), cancellationToken);

    /// <summary>Lists the runs, the latest first.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<IReadOnlyList<TrainingRunInfo>> ListTrainingRunsAsync(CancellationToken cancellationToken = default)
        => TrainAsync<IReadOnlyList<TrainingRunInfo>>(HttpMethod.Get, "runs", null, cancellationToken);

    /// <summary>Starts a run; it trains when the call returns.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="settings">What it learns.</param>
    /// <param name="cancellationToken">Ends the call, not the run.</param>
    public Task<TrainingRunInfo> StartTrainingAsync(string name, TrainingSettings settings, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingRunInfo>(
            HttpMethod.Post, "runs", JsonContent.Create(new StartTraining(name, settings), options: Format), cancellationToken);

    /// <summary>How a run stands.</summary>
    /// <param name="name">The run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<TrainingRunInfo> GetTrainingRunAsync(string name, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingRunInfo>(HttpMethod.Get, $"runs/{Escape(name)}", null, cancellationToken);

    /// <summary>The log of a run, by step.</summary>
    /// <param name="name">The run.</param>
    /// <param name="after">What comes behind this step.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<IReadOnlyList<TrainingPoint>> GetTrainingLogAsync(
        string name, long after = 0, CancellationToken cancellationToken = default)
        => TrainAsync<IReadOnlyList<TrainingPoint>>(HttpMethod.Get,
            string.Create(CultureInfo.InvariantCulture, $"runs/{Escape(name)}/log?after={after}"), null, cancellationToken);

    /// <summary>Tells a run to save and stop; called again, it ends at once.</summary>
    /// <param name="name">The run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<TrainingRunInfo> StopTrainingAsync(string name, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingRunInfo>(HttpMethod.Post, $"runs/{Escape(name)}/stop", null, cancellationToken);

    /// <summary>Goes on where a run stopped.</summary>
    /// <param name="name">The run.</param>
    /// <param name="cancellationToken">Ends the call, not the run.</param>
    public Task<TrainingRunInfo> ResumeTrainingAsync(string name, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingRunInfo>(HttpMethod.Post, $"runs/{Escape(name)}/resume", null, cancellationToken);

    /// <summary>Makes the result of a finished run a model of the server, or takes it back.</summary>
    /// <param name="name">The run; the model has its name.</param>
    /// <param name="isServed">Whether it is to be a model.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<TrainingRunInfo> ServeTrainingRunAsync(string name, bool isServed = true, CancellationToken cancellationToken = default)
        => TrainAsync<TrainingRunInfo>(
            isServed ? HttpMethod.Post : HttpMethod.Delete, $"runs/{Escape(name)}/serve", null, cancellationToken);

    /// <summary>Deletes a run with its checkpoints.</summary>
    /// <param name="name">The run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task DeleteTrainingRunAsync(string name, CancellationToken cancellationToken = default)
        => TrainAsync<object?>(HttpMethod.Delete, $"runs/{Escape(name)}", null, cancellationToken);

    private Task<T> TrainAsync<T>(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
        => SendToAsync<T>(method, $"/api/training/{path}", content, cancellationToken);
}
