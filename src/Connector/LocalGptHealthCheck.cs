using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Kotonoha.Connector;

/// <summary>Says whether a registered model can take requests.</summary>
internal sealed class LocalGptHealthCheck(ModelSource<LocalGpt> source) : IHealthCheck
{
    /// <summary>The source of the model that is registered under an id.</summary>
    /// <exception cref="InvalidOperationException">None is registered.</exception>
    public static ModelSource<LocalGpt> Source(IServiceProvider provider, string? serviceId)
        => (serviceId is null ? provider.GetService<ModelSource<LocalGpt>>() : provider.GetKeyedService<ModelSource<LocalGpt>>(serviceId))
            ?? throw new InvalidOperationException(
                $"No local model is registered{(serviceId is null ? "" : $" under '{serviceId}'")}. Call AddLocalGpt or "
                    + "AddLocalGptChatClient with this serviceId first.");

    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var data = new Dictionary<string, object> { ["model"] = source.ModelId };
        if (source.Failure is { } failure)
            return Task.FromResult(
                new HealthCheckResult(context.Registration.FailureStatus, $"{source.ModelId} could not be loaded: {failure.Message}",
                    failure, data));
        if (source.Loaded is not { } model)
            return Task.FromResult(
                HealthCheckResult.Degraded($"{source.ModelId} {(source.IsLoading ? "is being loaded" : "is not loaded yet")}.",
                    data: data));
        int waiting = model.WaitingRequests;
        data["device"] = model.Device.Name;
        data["waiting"] = waiting;
        return Task.FromResult(waiting >= model.Options.QueueLength
            ? HealthCheckResult.Degraded($"{source.ModelId}: {waiting} requests are waiting, as many as may.", data: data)
            : HealthCheckResult.Healthy(model.Description, data));
    }
}

/// <summary>Loads a model and runs a few tokens while the application starts.</summary>
internal sealed class LocalGptWarmUp(ModelSource<LocalGpt> source) : IHostedService
{
    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var model = await source.GetAsync(cancellationToken).ConfigureAwait(false);
        await model.WarmUpAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
