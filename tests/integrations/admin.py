"""Admin of the tests of integrations, with imports and exports."""

from django.contrib import admin
from import_export.admin import ImportExportModelAdmin
from import_export.resources import ModelResource

from .models import Member


class MemberResource(ModelResource):
    class Meta:
        model = Member
        clean_model_instances = True
        skip_unchanged = True


@admin.register(Member)
class MemberAdmin(ImportExportModelAdmin):
    resource_classes = [MemberResource]
