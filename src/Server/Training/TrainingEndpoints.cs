using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Knowledge;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Kotonoha.Server.Training;

/// <summary><c>/api/training</c>: data, costs and runs, for administrators.</summary>
internal sealed class TrainingEndpoints(TrainingRuns runs, TrainingData data, ServerOptions options)
{
    public void Map(IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/training").WithTags("Training");
        group.MapGet("/recipes", (Delegate)RecipesAsync).WithSummary("List the recipes.").Produces<TrainingRecipeInfo[]>();
        group.MapGet("/data", (Delegate)DataAsync).WithSummary("List the files of training data.").Produces<TrainingDataInfo[]>();
        group.MapPut("/data/{name}", UploadAsync).WithSummary("Send a file of training data; one of the same name is replaced.")
            .TakesFile().Produces<TrainingDataInfo>(201);
        group.MapDelete("/data/{name}", DeleteDataAsync).WithSummary("Delete a file of training data.").Produces(204);
        group.MapPost("/cost", (Delegate)CostAsync).WithSummary("Measure what a run would cost.")
            .Takes<TrainingSettings>().Produces<TrainingCostInfo>();
        group.MapGet("/runs", (Delegate)RunsAsync).WithSummary("List the runs, the latest first.").Produces<TrainingRunInfo[]>();
        group.MapPost("/runs", (Delegate)StartAsync).WithSummary("Start a run.").Takes<StartTraining>()
            .Produces<TrainingRunInfo>(201);
        group.MapGet("/runs/{name}", RunAsync).WithSummary("How a run stands.").Produces<TrainingRunInfo>();
        group.MapDelete("/runs/{name}", DeleteAsync).WithSummary("Delete a run with its checkpoints.").Produces(204);
        group.MapGet("/runs/{name}/log", LogAsync).WithSummary("The log of a run: figures and samples, by step.")
            .Produces<TrainingPoint[]>();
        group.MapPost("/runs/{name}/stop", StopAsync).WithSummary("Save and stop; sent again, end at once.").Produces<TrainingRunInfo>();
        group.MapPost("/runs/{name}/resume", ResumeAsync).WithSummary("Go on where a run stopped.").Produces<TrainingRunInfo>();
        group.MapPost("/runs/{name}/serve", (HttpContext context, string name) => ServeAsync(context, name, true))
            .WithSummary("Make the result a model of the server.").Produces<TrainingRunInfo>();
        group.MapDelete("/runs/{name}/serve", (HttpContext context, string name) => ServeAsync(context, name, false))
            .WithSummary("Offer the result no more.").Produces<TrainingRunInfo>();
    }

    /// <exception cref="ApiException">The caller is no administrator.</exception>
    public static Caller Require(Caller caller)
        => caller.IsAdministrator
            ? caller
            : throw new ApiException(403, ApiErrorType.Permission, "access_denied", "Training is for administrators' keys.");

    private static Caller Administrator(HttpContext context) => Require(Caller.Of(context));

    private static Task RecipesAsync(HttpContext context)
    {
        Administrator(context);
        return KnowledgeEndpoints.WriteAsync(context, TrainingRecipes.All);
    }

    private Task DataAsync(HttpContext context)
    {
        Administrator(context);
        return KnowledgeEndpoints.WriteAsync(context, data.List());
    }

    private async Task UploadAsync(HttpContext context, string name)
    {
        Administrator(context);
        if (context.Request.ContentLength > options.MaxUploadBytes)
            throw new ApiException(413, ApiErrorType.Invalid, "request_too_large",
                $"The file has {context.Request.ContentLength} bytes; {options.MaxUploadBytes} is the limit ('max-upload-bytes').");
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = options.MaxUploadBytes;
        var added = await data.AddAsync(name, context.Request.Body, context.RequestAborted).ConfigureAwait(false);
        await KnowledgeEndpoints.WriteAsync(context, added, 201).ConfigureAwait(false);
    }

    private Task DeleteDataAsync(HttpContext context, string name)
    {
        Administrator(context);
        data.Delete(name);
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private async Task CostAsync(HttpContext context)
    {
        var caller = Administrator(context);
        var settings = await KnowledgeEndpoints.ReadAsync<TrainingSettings>(context).ConfigureAwait(false);
        await KnowledgeEndpoints.WriteAsync(
            context, await runs.CostAsync(settings, caller, context.RequestAborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private Task RunsAsync(HttpContext context)
    {
        Administrator(context);
        return KnowledgeEndpoints.WriteAsync(context, runs.List());
    }

    private async Task StartAsync(HttpContext context)
    {
        var caller = Administrator(context);
        var request = await KnowledgeEndpoints.ReadAsync<StartTraining>(context).ConfigureAwait(false);
        var started = await runs.StartAsync(request.Name, request.Settings, caller, context.RequestAborted).ConfigureAwait(false);
        await KnowledgeEndpoints.WriteAsync(context, started, 201).ConfigureAwait(false);
    }

    private Task RunAsync(HttpContext context, string name)
    {
        Administrator(context);
        return KnowledgeEndpoints.WriteAsync(context, runs.Find(name));
    }

    private Task LogAsync(HttpContext context, string name, long after = 0)
    {
        Administrator(context);
        return KnowledgeEndpoints.WriteAsync(context, runs.Log(name, after));
    }

    private Task StopAsync(HttpContext context, string name)
    {
        return KnowledgeEndpoints.WriteAsync(context, runs.Stop(name, Administrator(context)));
    }

    private async Task ResumeAsync(HttpContext context, string name)
    {
        var resumed = await runs.ResumeAsync(name, Administrator(context), context.RequestAborted).ConfigureAwait(false);
        await KnowledgeEndpoints.WriteAsync(context, resumed).ConfigureAwait(false);
    }

    private async Task DeleteAsync(HttpContext context, string name)
    {
        await runs.DeleteAsync(name, Administrator(context), context.RequestAborted).ConfigureAwait(false);
        context.Response.StatusCode = 204;
    }

    private async Task ServeAsync(HttpContext context, string name, bool isServed)
    {
        var run = await runs.ServeAsync(name, isServed, Administrator(context), context.RequestAborted).ConfigureAwait(false);
        await KnowledgeEndpoints.WriteAsync(context, run).ConfigureAwait(false);
    }
}
